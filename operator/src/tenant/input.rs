//! What `build` starts from, read where it must be.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::context::record::TenantRecord;
use crate::context::servers::ServerRef;
use crate::names;
use crate::tenant::build::input::Input;
use crate::tenant::cache_account;
use crate::tenant::validate::{Placement, Plan};

/// The input of `build`; nothing while an account cannot be read that its pods have not been handed either.
pub async fn read<'a>(
    plan: &'a Plan,
    record: &'a TenantRecord,
    ctx: &'a Context,
) -> Option<Input<'a>> {
    let cache_account = cache_account::read(plan, record, ctx).await;
    let authorities = authorities(&plan.servers, ctx);
    let mut unproven = Vec::new();
    if authorities.is_none() {
        let servers = plan.servers.authorities().into_iter();
        unproven.extend(servers.map(|(_, server)| variable(server)));
    }
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

/// None before each server has answered by its own.
fn authorities(servers: &Placement, ctx: &Context) -> Option<BTreeMap<&'static str, String>> {
    let named = servers.authorities().into_iter();
    let proven = named.map(|(file, server)| Some((file, ctx.servers.certificates(server)?)));
    proven.collect()
}

/// In which its pods find the URL of a server.
fn variable(server: ServerRef<'_>) -> &'static str {
    match server {
        ServerRef::Postgres(_) => names::DATABASE_URL,
        ServerRef::Rabbitmq(_) => names::AMQP_URL,
        ServerRef::Redis(_) => names::REDIS_URL,
    }
}
