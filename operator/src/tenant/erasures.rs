//! Keeps the ledger of the erased up with what the runtime says: it outlives the database.

use crate::context::Context;
use crate::context::ledger::MOST;
use crate::context::record::TenantRecord;
use crate::context::runtime::RuntimeError;

/// Takes into the record whom the runtime at `address` has erased; the caller stores it.
pub async fn learn(
    tenant: &str,
    address: &str,
    record: &mut TenantRecord,
    ctx: &Context,
) -> Result<(), RuntimeError> {
    let token = &record.secrets.internal_token;
    let erased = ctx.runtime.erased(address, token).await;
    ctx.metrics.called("runtime", erased.is_ok());
    let left = record.erased.extend(erased?);
    if left > 0 {
        tracing::error!(
            tenant,
            left,
            "the ledger of the erased is full at {MOST}: after a restore, erase the others again by hand"
        );
    }
    Ok(())
}
