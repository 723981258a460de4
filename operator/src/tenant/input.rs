//! What `build` starts from, read where it must be.

use crate::context::Context;
use crate::context::record::TenantRecord;
use crate::tenant::build::input::Input;
use crate::tenant::cache_account;
use crate::tenant::validate::Plan;

/// The input of `build`; nothing while the account that it needs cannot be read.
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
    })
}
