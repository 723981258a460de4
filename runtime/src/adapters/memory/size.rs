//! The size of what is held in memory: the bytes of texts and payloads, and of what stands beside them.

use std::sync::Arc;

use async_trait::async_trait;

use crate::adapters::memory::log::MemoryLog;
use crate::adapters::memory::read_model::MemoryReadModel;
use crate::adapters::memory::track_store::MemoryTracks;
use crate::ports::event_store::StoreError;
use crate::ports::storage::Storage;

/// One tenant's data in this process.
pub struct MemoryStorage {
    pub log: Arc<MemoryLog>,
    pub read_model: Arc<MemoryReadModel>,
    pub tracks: Arc<MemoryTracks>,
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn size(&self) -> Result<u64, StoreError> {
        let bytes = self.log.size() + self.read_model.size() + self.tracks.size();
        Ok(u64::try_from(bytes)?)
    }
}
