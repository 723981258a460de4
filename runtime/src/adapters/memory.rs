//! Everything in this process's memory: for tests, and for a look around.

mod cache;
mod credentials;
mod event_bus;
mod event_store;
mod import;
mod log;
mod read_model;
mod rebuild;
mod size;
mod track_store;

use std::sync::Arc;

use uuid::Uuid;

use crate::adapters::erasures::MemoryErasures;
use crate::adapters::stores::Stores;
pub use cache::MemoryCache;
pub use event_bus::{MemoryFeed, MemoryWakeUps};
pub use log::MemoryLog;
pub use read_model::MemoryReadModel;
use size::MemoryStorage;
pub use track_store::MemoryTracks;

/// An empty storage.
#[expect(
    clippy::disallowed_methods,
    reason = "a log's epoch is born with the log, as in the migrations of the other stores"
)]
pub fn open() -> Stores {
    let log = Arc::new(MemoryLog::new(Uuid::new_v4()));
    let read_model = Arc::new(MemoryReadModel::new());
    let tracks = Arc::new(MemoryTracks::new());
    Stores {
        events: log.clone(),
        credentials: log.clone(),
        import: log.clone(),
        read_model: read_model.clone(),
        tracks: tracks.clone(),
        storage: Arc::new(MemoryStorage {
            log,
            read_model,
            tracks,
        }),
        erasures: Some(Arc::new(MemoryErasures::default())),
        schema_version: 1,
        close: Arc::new(|| Box::pin(async {})),
    }
}
