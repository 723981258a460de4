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
use crate::tenant::validate::Plan;

/// The input of `build`; nothing while an account cannot be read that its pods have not been handed either.
pub async fn read<'a>(
    plan: &'a Plan,
    record: &'a TenantRecord,
    ctx: &'a Context,
) -> Option<Input<'a>> {
    let cache_account = cache_account::read(plan, record, ctx).await;
    let (authorities, mut unproven) = authorities(plan, ctx).await;
    if cache_account.is_err() {
        record.handed.get(names::API_SECRET, names::REDIS_URL)?;
        unproven.push(names::REDIS_URL);
    }
    Some(Input {
        plan,
        record,
        operator_namespace: &ctx.namespace,
        cache_account: cache_account.ok().flatten(),
        authorities,
        unproven,
    })
}

/// Certificates by the file in which pods find them, and the variables of servers that have not answered by theirs: of those,
/// pods keep what they have. None while nobody knows what that is, and then of all.
async fn authorities(
    plan: &Plan,
    ctx: &Context,
) -> (Option<BTreeMap<&'static str, String>>, Vec<&'static str>) {
    let named = plan.servers.authorities();
    let all = named.iter().map(|(_, server)| variable(*server)).collect();
    let (mut certificates, mut unproven) = (BTreeMap::new(), Vec::new());
    for (file, server) in named {
        match ctx.servers.certificates(server) {
            Some(proven) => drop(certificates.insert(file, proven)),
            None => unproven.push((file, variable(server))),
        }
    }
    if unproven.is_empty() {
        return (Some(certificates), Vec::new());
    }
    let Ok(copies) = copies(plan, ctx).await else {
        return (None, all);
    };
    for (file, _) in &unproven {
        let copy = copies.as_ref().and_then(|copies| text(copies, file));
        certificates.extend(copy.map(|copy| (*file, copy)));
    }
    let unproven = unproven.into_iter().map(|(_, variable)| variable);
    (Some(certificates), unproven.collect())
}

/// As the pods find them.
async fn copies(plan: &Plan, ctx: &Context) -> Result<Option<Secret>, kube::Error> {
    // Without it the operator has no right to ask, and there is nothing.
    if ctx.caches.namespace(&plan.namespace).is_none() {
        return Ok(None);
    }
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), &plan.namespace);
    api.get_opt(names::AUTHORITIES_SECRET).await
}

/// In which its pods find the URL of a server.
fn variable(server: ServerRef<'_>) -> &'static str {
    match server {
        ServerRef::Postgres(_) => names::DATABASE_URL,
        ServerRef::Rabbitmq(_) => names::AMQP_URL,
        ServerRef::Redis(_) => names::REDIS_URL,
    }
}
