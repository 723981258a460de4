//! What `build` starts from, read where it must be.

use crate::config::Acl;
use crate::context::Context;
use crate::context::record::TenantRecord;
use crate::tenant::build::input::Input;
use crate::tenant::validate::Plan;

/// The input of `build`; nothing while the account that it needs cannot be read.
pub async fn read<'a>(
    plan: &'a Plan,
    record: &'a TenantRecord,
    ctx: &'a Context,
) -> Option<Input<'a>> {
    let shared = match &plan.servers.redis {
        Some(server) if server.acl == Acl::None => {
            let account = ctx
                .servers
                .account(&server.name, &server.admin_secret)
                .await;
            Some(account.ok()?)
        }
        _ => None,
    };
    Some(Input {
        plan,
        record,
        operator_namespace: &ctx.namespace,
        shared_cache_account: shared,
    })
}
