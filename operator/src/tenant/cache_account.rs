//! The account on Redis that a tenant's pods are given: its own, everybody's, or one that somebody else has made for it.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use crate::config::{Acl, RedisServer};
use crate::context::Context;
use crate::context::record::TenantRecord;
use crate::context::servers::text;
use crate::names;
use crate::provision::error::{Credentials, ProvisionError};
use crate::tenant::validate::Plan;

/// None where there is no Redis server.
///
/// # Errors
/// When the Secret that it is in cannot be read, or holds none.
pub async fn read(
    plan: &Plan,
    record: &TenantRecord,
    ctx: &Context,
) -> Result<Option<Credentials>, ProvisionError> {
    let Some(server) = &plan.servers.redis else {
        return Ok(None);
    };
    match server.acl {
        Acl::Managed => Ok(Some(own(record))),
        Acl::None => ctx.servers.redis_account(server).await,
        Acl::External => {
            let tenant = &plan.tenant.name;
            let name = names::redis_account_secret(tenant);
            let secret = ctx.caches.secret(&ctx.namespace, &name);
            given(tenant, server, record, secret.as_deref()).map(Some)
        }
    }
}

/// That of the user which the operator makes.
pub fn own(record: &TenantRecord) -> Credentials {
    Credentials {
        username: record.names.cache_user.clone(),
        password: record.secrets.cache_password.clone(),
    }
}

fn given(
    tenant: &str,
    server: &RedisServer,
    record: &TenantRecord,
    secret: Option<&Secret>,
) -> Result<Credentials, ProvisionError> {
    let awaited = |problem: String| ProvisionError::NoAccount {
        server: format!("Redis server `{}`", server.name),
        secret: names::redis_account_secret(tenant),
        problem,
        prefix: record.names.cache_prefix.clone(),
    };
    // Only what carries the label is watched, and a change of it noticed.
    let is_labelled = |secret: &&Secret| {
        let of = secret.labels().get(names::TENANT_LABEL);
        of.is_some_and(|of| of == tenant)
    };
    let secret = secret.filter(is_labelled).ok_or_else(|| {
        let label = format!("{}: {tenant}", names::TENANT_LABEL);
        awaited(format!("there is none with the label `{label}`"))
    })?;
    let read = |key: &str| {
        text(secret, key)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| awaited(format!("it has no `{key}`")))
    };
    Ok(Credentials {
        username: read("username")?,
        password: read("password")?.into(),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use secrecy::ExposeSecret;
    use serde_json::{Value, json};

    use super::*;
    use crate::tenant::fixtures;

    fn read(labels: Value, values: Value) -> Result<Credentials, String> {
        let plan = fixtures::plan(json!({"placement": {"redis": "given"}}));
        let secret = json!({
            "metadata": {"name": "redis-account-skyways", "labels": labels},
            "data": values,
        });
        let secret: Secret = serde_json::from_value(secret).unwrap();
        let server = plan.servers.redis.as_ref().unwrap();
        let record = fixtures::record(&plan);
        given("skyways", server, &record, Some(&secret)).map_err(|error| error.to_string())
    }

    #[test]
    fn an_account_is_taken_as_it_is() {
        let labels = json!({"albatross.aero/tenant": "skyways"});
        // `ada` and `p@ss: word`, as an editor leaves them.
        let values = json!({"username": "YWRhCg==", "password": "cEBzczogd29yZAo="});
        let account = read(labels, values).unwrap();
        assert_eq!(account.username, "ada");
        assert_eq!(account.password.expose_secret(), "p@ss: word");
    }

    #[rstest]
    #[case(json!({}), json!({"username": "YQ==", "password": "YQ=="}), "label `albatross.aero/tenant: skyways`")]
    #[case(json!({"albatross.aero/tenant": "other"}), json!({"username": "YQ==", "password": "YQ=="}), "label")]
    #[case(json!({"albatross.aero/tenant": "skyways"}), json!({"password": "YQ=="}), "it has no `username`")]
    #[case(json!({"albatross.aero/tenant": "skyways"}), json!({"username": "YQ=="}), "it has no `password`")]
    #[case(json!({"albatross.aero/tenant": "skyways"}), json!({"username": "YQ==", "password": ""}), "it has no `password`")]
    fn what_is_missing_is_told_with_all_that_is_needed_to_make_it(
        #[case] labels: Value,
        #[case] values: Value,
        #[case] problem: &str,
    ) {
        let told = read(labels, values).unwrap_err();
        for part in [
            "Redis server `given`",
            "Secret `redis-account-skyways`",
            problem,
            "`alb_0001020304054607:`",
        ] {
            assert!(told.contains(part), "{told}");
        }
    }
}
