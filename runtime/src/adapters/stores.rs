//! The storage of one tenant as one value.

use std::path::PathBuf;
use std::sync::Arc;

use crate::ports::credentials::Credentials;
use crate::ports::event_store::{EventStore, StoreError};
use crate::ports::read_model::ReadModel;
use crate::ports::track_store::TrackStore;

/// The storage of one tenant.
#[derive(Clone)]
pub struct Stores {
    pub events: Arc<dyn EventStore>,
    pub credentials: Arc<dyn Credentials>,
    pub read_model: Arc<dyn ReadModel>,
    pub tracks: Arc<dyn TrackStore>,
    /// The highest migration that the storage has seen.
    pub schema_version: i64,
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
