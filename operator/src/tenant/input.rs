//! What `build` starts from, read where it must be.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::context::record::TenantRecord;
use crate::tenant::build::input::Input;
use crate::tenant::cache_account;
use crate::tenant::validate::{Placement, Plan};

/// The input of `build`; nothing while an account that it needs cannot be read.
pub async fn read<'a>(
    plan: &'a Plan,
    record: &'a TenantRecord,
    ctx: &'a Context,
) -> Option<Input<'a>> {
    let cache_account = cache_account::read(plan, record, ctx).await.ok()?;
    Some(Input {
        plan,
        record,
        operator_namespace: &ctx.namespace,
        cache_account,
        authorities: authorities(&plan.servers, ctx),
    })
}

/// None before each server has answered by its own.
fn authorities(servers: &Placement, ctx: &Context) -> Option<BTreeMap<&'static str, String>> {
    let named = servers.authorities().into_iter();
    let proven = named.map(|(file, server)| Some((file, ctx.servers.certificates(server)?)));
    proven.collect()
}
