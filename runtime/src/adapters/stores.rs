//! The storage of one tenant as one value.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::ports::credentials::Credentials;
use crate::ports::erasures::Erasures;
use crate::ports::event_store::{EventStore, StoreError};
use crate::ports::log_import::LogImport;
use crate::ports::read_model::ReadModel;
use crate::ports::storage::Storage;
use crate::ports::track_store::TrackStore;

/// How long a storage that is closed waits for what still uses it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The storage of one tenant.
#[derive(Clone)]
pub struct Stores {
    pub events: Arc<dyn EventStore>,
    pub credentials: Arc<dyn Credentials>,
    pub read_model: Arc<dyn ReadModel>,
    pub tracks: Arc<dyn TrackStore>,
    /// All of them together, as what they take.
    pub storage: Arc<dyn Storage>,
    pub import: Arc<dyn LogImport>,
    /// Where it is kept who was erased, if anywhere outside the database.
    pub erasures: Option<Arc<dyn Erasures>>,
    /// The highest migration that the storage has seen.
    pub schema_version: i64,
    pub(super) close: Close,
}

/// Gives back what a storage holds of the outside world.
pub(super) type Close = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

impl Stores {
    /// Ends the storage once nothing uses it any more. Files are then whole by themselves: what SQLite keeps beside
    /// them while they are open is in them.
    pub async fn close(&self) {
        let closed = tokio::time::timeout(PATIENCE, (self.close)()).await;
        if closed.is_err() {
            tracing::warn!("the storage is still in use: it is left to its own recovery");
        }
    }
}

/// Why a storage could not be opened: one line for whoever started the process.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("DATABASE_URL starts with {0:?}; use postgres://, sqlite: or memory:")]
    UnknownScheme(String),
    #[error("DATABASE_URL names no directory after sqlite:")]
    NoDirectory,
    #[error("cannot use directory {}: {reason}", path.display())]
    Directory { path: PathBuf, reason: String },
    #[error("cannot open {}: {reason}", path.display())]
    File { path: PathBuf, reason: String },
    /// Nobody can read it any more.
    #[error("cannot open {}: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("DATABASE_URL is not a valid URL: {0}")]
    InvalidUrl(String),
    #[error("cannot open database {database:?} on {server}: {reason}")]
    Unreachable {
        server: String,
        database: String,
        reason: String,
    },
    #[error(
        "the database has schema {found}, this executable needs {known}: run `albatross migrate`"
    )]
    NotMigrated { found: i64, known: i64 },
    #[error(
        "the database has schema {found}, this executable knows up to {known}: use a newer one"
    )]
    FromTheFuture { found: i64, known: i64 },
    #[error("the database cannot be migrated: {0}")]
    Migration(String),
    #[error("the log cannot be read: {0}")]
    Unreadable(#[source] StoreError),
}
