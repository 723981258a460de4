//! How much room an airline's data takes where it is stored.

use async_trait::async_trait;

use crate::ports::event_store::StoreError;

/// The storage of one tenant as a whole: log, read model and telemetry.
#[async_trait]
pub trait Storage: Send + Sync {
    /// In bytes. Cheap to ask for; what was deleted may count until the storage has given its room back.
    async fn size(&self) -> Result<u64, StoreError>;
}
