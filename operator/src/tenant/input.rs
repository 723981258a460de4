//! What `build` starts from, read where it must be.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use crate::context::Context;
use crate::context::record::TenantRecord;
use crate::context::servers::{ServerRef, text};
use crate::names;
use crate::tenant::build::input::Input;
use crate::tenant::cache_account;
use crate::tenant::error::Error;
use crate::tenant::runtime;
use crate::tenant::validate::{Placement, Plan};

/// The input of `build`; nothing while an account cannot be read that its pods have not been handed either.
///
/// # Errors
/// When what they have been handed cannot be read.
pub async fn read<'a>(
    plan: &'a Plan,
    record: &'a TenantRecord,
    ctx: &'a Context,
) -> Result<Option<Input<'a>>, Error> {
    let cache_account = cache_account::read(plan, record, ctx).await;
    let authorities = authorities(&plan.servers, ctx);
    let mut unproven = Vec::new();
    if authorities.is_none() {
        let servers = plan.servers.authorities().into_iter();
        unproven.extend(servers.map(|(_, server)| variable(server)));
    }
    if cache_account.is_err() {
        unproven.push(names::REDIS_URL);
    }
    let handed = handed(plan, &unproven, ctx).await?;
    if cache_account.is_err() && !handed.contains_key(&(names::API_SECRET, names::REDIS_URL)) {
        return Ok(None);
    }
    Ok(Some(Input {
        plan,
        record,
        operator_namespace: &ctx.namespace,
        cache_account: cache_account.ok().flatten(),
        authorities,
        handed,
    }))
}

/// None before each server has answered by its own.
fn authorities(servers: &Placement, ctx: &Context) -> Option<BTreeMap<&'static str, String>> {
    let named = servers.authorities().into_iter();
    let proven = named.map(|(file, server)| Some((file, ctx.servers.certificates(server)?)));
    proven.collect()
}

/// What the Secrets of pods say of these variables, if there are pods.
async fn handed(
    plan: &Plan,
    variables: &[&'static str],
    ctx: &Context,
) -> Result<BTreeMap<(&'static str, &'static str), String>, Error> {
    let mut handed = BTreeMap::new();
    // Before there are any, the operator may have no right to ask.
    if variables.is_empty() || runtime::deployment(plan, names::API, ctx).is_none() {
        return Ok(handed);
    }
    let secrets: Api<Secret> = Api::namespaced(ctx.client.clone(), &plan.namespace);
    for name in [names::API_SECRET, names::MIGRATE_SECRET] {
        let Some(secret) = secrets.get_opt(name).await? else {
            continue;
        };
        let has = |variable: &&'static str| Some(((name, *variable), text(&secret, variable)?));
        handed.extend(variables.iter().filter_map(has));
    }
    Ok(handed)
}

/// In which its pods find the URL of a server.
fn variable(server: ServerRef<'_>) -> &'static str {
    match server {
        ServerRef::Postgres(_) => names::DATABASE_URL,
        ServerRef::Rabbitmq(_) => names::AMQP_URL,
        ServerRef::Redis(_) => names::REDIS_URL,
    }
}
