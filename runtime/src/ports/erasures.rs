//! Who was erased, kept outside the database: an older copy of it that is restored must not bring anybody back.

use std::collections::BTreeSet;

use async_trait::async_trait;
use uuid::Uuid;

use crate::ports::event_store::StoreError;

/// The ledger of one tenant.
#[async_trait]
pub trait Erasures: Send + Sync {
    /// Durable when it returns. Noting somebody again changes nothing.
    async fn note(&self, subjects: BTreeSet<Uuid>) -> Result<(), StoreError>;

    async fn all(&self) -> Result<BTreeSet<Uuid>, StoreError>;
}
