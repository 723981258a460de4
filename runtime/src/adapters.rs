//! The outside world behind the ports: storage in memory, SQLite or PostgreSQL, chosen by URL.

use std::sync::Arc;

use uuid::Uuid;

pub use crate::adapters::stores::{OpenError, Stores};

pub mod chain;
mod lanes;
mod limits;
pub mod memory;
mod stores;
mod tables;

/// Opens the storage that `url` names: `memory:`.
pub async fn open(url: &str) -> Result<Stores, OpenError> {
    let (scheme, _) = url.split_once(':').unwrap_or((url, ""));
    match scheme {
        "memory" => Ok(open_memory()),
        _ => Err(OpenError::UnknownScheme(scheme.to_owned())),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a log's epoch is born with the log, as in the migrations of the other stores"
)]
fn open_memory() -> Stores {
    let log = Arc::new(memory::MemoryLog::new(Uuid::new_v4()));
    Stores {
        events: log.clone(),
        credentials: log,
        read_model: Arc::new(memory::MemoryReadModel::new()),
        tracks: Arc::new(memory::MemoryTracks::new()),
        schema_version: 1,
    }
}
