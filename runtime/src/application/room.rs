//! How much room the airline's data takes of what it may, as was measured last.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::ports::event_store::StoreError;
use crate::ports::storage::Storage;

pub struct Room {
    storage: Arc<dyn Storage>,
    /// Bytes; 0 before it was measured.
    taken: Gauge,
    /// Bytes; 0 without a limit.
    limit: Gauge,
}

impl Room {
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            taken: Gauge::default(),
            limit: Gauge::default(),
        }
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "albatross_storage_size",
            "What the airline's data takes where it is stored, measured about once a minute",
            Unit::Bytes,
            self.taken.clone(),
        );
        registry.register_with_unit(
            "albatross_storage_limit",
            "What it may take before nothing new may begin; 0 without a limit",
            Unit::Bytes,
            self.limit.clone(),
        );
    }

    /// In bytes, as was measured last: a request never waits for the storage to count.
    pub fn taken(&self) -> u64 {
        u64::try_from(self.taken.get()).unwrap_or_default()
    }

    pub async fn measure(&self, limit: Option<u64>) -> Result<(), StoreError> {
        let gauge = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.limit.set(limit.map_or(0, gauge));
        self.taken.set(gauge(self.storage.size().await?));
        Ok(())
    }
}
