//! Copies of the tenant's credentials, as the environment of its pods, and the admins' links.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use secrecy::ExposeSecret;

use crate::context::record::AdminLink;
use crate::context::runtime::AdminRole;
use crate::names;
use crate::provision::{postgres, rabbitmq, redis};
use crate::tenant::build::input::Input;
use crate::tenant::build::link_key::link_key;
use crate::tenant::desired;

/// Environment of `serve` and `work`.
pub fn api(input: &Input<'_>) -> Secret {
    let Input { plan, record, .. } = input;
    let secrets = &record.secrets;
    let mut environment = common(input);
    environment.extend([
        (
            "ALBATROSS_INTERNAL_TOKEN",
            secrets.internal_token.expose_secret().to_owned(),
        ),
        ("ALBATROSS_PUBLIC_URL", plan.public_url.clone()),
        (names::REQUIRED_DESIRED, record.required_desired.to_string()),
    ]);
    let database = postgres::url(
        &plan.servers.postgres,
        &record.names.database,
        &record.names.app_role,
        secrets.app_password.expose_secret(),
    );
    let broker = plan.servers.rabbitmq.as_ref().map(|server| {
        let password = secrets.broker_password.expose_secret();
        rabbitmq::url(
            server,
            &record.names.vhost,
            &record.names.broker_user,
            password,
        )
    });
    let redis = plan
        .servers
        .redis
        .as_ref()
        .zip(input.cache_account.as_ref());
    let cache = redis.map(|(server, account)| redis::url(server, account));
    let urls = [
        (names::DATABASE_URL, Some(database)),
        (names::AMQP_URL, broker),
        (names::REDIS_URL, cache),
    ];
    let urls = urls.map(|(variable, url)| input.url(names::API_SECRET, variable, url));
    environment.extend(urls.into_iter().flatten());
    if plan.servers.redis.is_some() {
        environment.push(("ALBATROSS_REDIS_PREFIX", record.names.cache_prefix.clone()));
    }
    secret(input, names::API_SECRET, environment)
}

/// Environment of `migrate`, which alone may change the schema.
pub fn migrate(input: &Input<'_>) -> Secret {
    let Input { plan, record, .. } = input;
    let mut environment = common(input);
    let url = postgres::url(
        &plan.servers.postgres,
        &record.names.database,
        &record.names.migrate_role,
        record.secrets.migrate_password.expose_secret(),
    );
    environment.extend(input.url(names::MIGRATE_SECRET, names::DATABASE_URL, Some(url)));
    secret(input, names::MIGRATE_SECRET, environment)
}

/// Whether whoever has this environment checks a server by what is in `authorities`.
pub fn names_authorities(environment: &Secret) -> bool {
    let directory = names::AUTHORITIES_DIRECTORY.as_bytes();
    let mut values = environment.data.iter().flat_map(BTreeMap::values);
    values.any(|it| it.0.windows(directory.len()).any(|part| part == directory))
}

/// The ledger of the erased, if there are any, as a file that no change of restarts a pod.
pub fn erased(input: &Input<'_>) -> Option<Secret> {
    let erased = &input.record.erased;
    (!erased.is_empty()).then(|| {
        let data = vec![(names::ERASED, erased.to_string())];
        secret(input, names::ERASED_SECRET, data)
    })
}

/// By whose certificates pods check their servers, where it is not whom the system trusts. They read it for each connection, so
/// that no change of it restarts them.
pub fn authorities(input: &Input<'_>) -> Option<Secret> {
    let data: Vec<_> = input.authorities.clone()?.into_iter().collect();
    (!data.is_empty()).then(|| secret(input, names::AUTHORITIES_SECRET, data))
}

/// One-time links of the admins that the Tenant declares.
pub fn admin_links(input: &Input<'_>) -> Secret {
    let links = links(input, AdminRole::TenantAdmin);
    secret(input, names::ADMIN_LINKS_SECRET, links)
}

/// One-time links of the hosting team: not for the tenant's owners to see.
pub fn platform_links(input: &Input<'_>) -> Option<Secret> {
    let links = links(input, AdminRole::PlatformAdmin);
    (!input.plan.platform_admins.is_empty()).then(|| {
        let name = names::platform_links_secret(&input.plan.tenant.name);
        let mut secret = secret(input, &name, links);
        secret.metadata.namespace = Some(input.operator_namespace.to_owned());
        secret
    })
}

fn common(input: &Input<'_>) -> Vec<(&'static str, String)> {
    let record = input.record;
    vec![
        ("ALBATROSS_TENANT", input.plan.tenant.name.clone()),
        ("ALBATROSS_TENANT_ID", record.tenant_id.to_string()),
        (
            "ALBATROSS_TENANT_KEY",
            record.secrets.tenant_key.expose_secret().to_owned(),
        ),
        (
            "ALBATROSS_PEPPER",
            record.secrets.pepper.expose_secret().to_owned(),
        ),
    ]
}

fn links(input: &Input<'_>, wanted: AdminRole) -> Vec<(String, String)> {
    let admins = desired::admins(input.plan);
    let origin = input.plan.public_url.trim_end_matches('/');
    input
        .record
        .links
        .iter()
        .filter(|(email, _)| admins.get(*email).is_some_and(|(_, role)| *role == wanted))
        .filter_map(|(email, link)| match link {
            AdminLink::Open { token, .. } => {
                Some((link_key(email), format!("{origin}/welcome#{token}")))
            }
            AdminLink::Used => None,
        })
        .collect()
}

fn secret<K: Into<String>>(input: &Input<'_>, name: &str, data: Vec<(K, String)>) -> Secret {
    let data: BTreeMap<String, ByteString> = data
        .into_iter()
        .map(|(key, value)| (key.into(), ByteString(value.into_bytes())))
        .collect();
    Secret {
        metadata: input.meta(name),
        type_: Some("Opaque".to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use albatross_crds::validation::validate_api_key;
    use serde_json::json;

    use super::*;
    use crate::config::Tls;
    use crate::provision::error::Credentials;
    use crate::tenant::fixtures;
    use crate::tenant::validate::Plan;

    fn shown(secret: &Secret) -> BTreeMap<String, String> {
        let data = secret.data.as_ref().unwrap();
        data.iter()
            .map(|(key, value)| (key.clone(), String::from_utf8(value.0.clone()).unwrap()))
            .collect()
    }

    #[test]
    fn environments_are_as_reviewed() {
        let plan = fixtures::plan(json!({}));
        let record = fixtures::record(&plan);
        let input = fixtures::input(&plan, &record);
        insta::assert_yaml_snapshot!((shown(&api(&input)), shown(&migrate(&input))));
    }

    #[test]
    fn an_account_that_somebody_else_has_made_is_given_to_the_pods_in_place_of_the_own() {
        let plan = fixtures::plan(json!({"placement": {"redis": "given"}}));
        let record = fixtures::record(&plan);
        let mut input = fixtures::input(&plan, &record);
        input.cache_account = Some(Credentials {
            username: "sky ways".to_owned(),
            password: "p@ss:w/ord".to_owned().into(),
        });
        let environment = shown(&api(&input));
        let of_redis = environment
            .iter()
            .filter(|(name, _)| name.contains("REDIS"));
        insta::assert_yaml_snapshot!(of_redis.collect::<BTreeMap<_, _>>());
    }

    #[test]
    fn urls_name_the_certificates_that_pods_find() {
        let mut plan = fixtures::plan(json!({"placement": {"redis": "given"}}));
        let own = Some("ca".to_owned());
        plan.servers.postgres.tls = Tls::VerifyFull;
        let record = fixtures::record(&plan);
        let urls = |plan: &Plan| {
            let environment = shown(&api(&fixtures::input(plan, &record)));
            let url = |name: &str| environment[name].rsplit_once('@').unwrap().1.to_owned();
            ["DATABASE_URL", "AMQP_URL", "REDIS_URL"].map(url)
        };
        let [database, _, redis] = urls(&plan);
        assert!(
            database
                .ends_with("?sslmode=verify-full&sslrootcert=/etc/ssl/certs/ca-certificates.crt")
        );
        assert!(!redis.contains('?'));
        plan.servers.postgres.ca_secret = own.clone();
        plan.servers.redis.as_mut().unwrap().ca_secret = own.clone();
        let rabbitmq = plan.servers.rabbitmq.as_mut().unwrap();
        rabbitmq.ca_secret = own;
        rabbitmq.amqp = "amqps://mq.example:5671".to_owned();
        let named = ["sslrootcert", "cacertfile", "ssl_ca_certs"];
        let files = ["postgres.crt", "rabbitmq.crt", "redis.crt"];
        for ((url, parameter), file) in urls(&plan).iter().zip(named).zip(files) {
            let end = format!("{parameter}={}/{file}", names::AUTHORITIES_DIRECTORY);
            assert!(url.ends_with(&end), "{url}");
        }
    }

    #[test]
    fn the_hosting_team_s_links_stay_with_the_operator() {
        let plan = fixtures::plan(json!({}));
        let record = fixtures::record(&plan);
        let input = fixtures::input(&plan, &record);
        let tenant = shown(&admin_links(&input));
        assert_eq!(tenant.len(), 1);
        assert!(
            tenant["ada.at.skyways.example"].starts_with("http://skyways.example:8080/welcome#")
        );
        let platform = platform_links(&input).unwrap();
        assert_eq!(
            platform.metadata.namespace.as_deref(),
            Some("albatross-system")
        );
        assert!(shown(&platform).contains_key("ops.at.platform.example"));
    }

    #[test]
    fn the_ledger_is_copied_once_somebody_is_in_it() {
        let plan = fixtures::plan(json!({}));
        let mut record = fixtures::record(&plan);
        assert!(erased(&fixtures::input(&plan, &record)).is_none());
        record.erased.extend([uuid::Uuid::from_u128(7)]);
        let copy = erased(&fixtures::input(&plan, &record)).unwrap();
        let line = "00000000000000000000000000000007\n".to_owned();
        assert_eq!(shown(&copy), BTreeMap::from([("erased".to_owned(), line)]));
    }

    #[test]
    fn no_api_key_is_given_the_name_of_one_of_them() {
        let plan = fixtures::plan(json!({}));
        let mut record = fixtures::record(&plan);
        record.erased.extend([uuid::Uuid::from_u128(7)]);
        let mut input = fixtures::input(&plan, &record);
        input.authorities = Some(BTreeMap::from([("postgres.crt", String::new())]));
        let copies = [api(&input), migrate(&input), admin_links(&input)];
        let others = erased(&input).into_iter().chain(authorities(&input));
        for secret in copies.into_iter().chain(others) {
            let spec = json!({
                "tenantRef": {"name": "skyways"}, "scopes": ["track:write"], "ttl": "90d",
                "secretName": secret.metadata.name,
            });
            let refused = validate_api_key(&serde_json::from_value(spec).unwrap()).unwrap_err();
            assert_eq!(refused[0].field, "spec.secretName");
        }
    }

    #[test]
    fn a_used_link_is_not_shown() {
        let plan = fixtures::plan(json!({}));
        let mut record = fixtures::record(&plan);
        let email = "ada@skyways.example".to_owned();
        record.links.insert(email, AdminLink::Used);
        let input = fixtures::input(&plan, &record);
        assert!(shown(&admin_links(&input)).is_empty());
    }

    #[test]
    fn only_the_migration_can_change_the_schema() {
        let plan = fixtures::plan(json!({}));
        let record = fixtures::record(&plan);
        let input = fixtures::input(&plan, &record);
        assert!(shown(&api(&input))["DATABASE_URL"].contains("_app:"));
        assert!(shown(&migrate(&input))["DATABASE_URL"].contains("_migrate:"));
        assert!(!shown(&migrate(&input)).contains_key("ALBATROSS_INTERNAL_TOKEN"));
    }
}
