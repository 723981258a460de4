//! Writing a whole log at once into an empty one: what a restore or a move ends with.

use async_trait::async_trait;
use uuid::Uuid;

use crate::ports::credentials::Credential;
use crate::ports::event_store::{ChainLink, RecordedEvent, StoreError, SubjectKey};

/// What stands beside the events of an imported log.
pub struct Beside {
    /// Of the log from now on: cursors into what was there before are void.
    pub epoch: Uuid,
    /// Unique facts and their owners.
    pub claims: Vec<(Vec<u8>, Uuid)>,
    pub credentials: Vec<Credential>,
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the log is not empty, it ends at position {head}: an import begins a log")]
    NotEmpty { head: i64 },
    #[error("this user of the database may not import: use the one that `albatross migrate` uses")]
    NotPermitted,
    #[error("the event store is unavailable: {0}")]
    Unavailable(#[source] StoreError),
}

#[async_trait]
pub trait LogImport: Send + Sync {
    /// Begins an import. Appends wait until it ends.
    async fn begin(&self) -> Result<Box<dyn ImportGuard>, ImportError>;
}

/// An import that has begun; dropped without a commit, it leaves the log empty.
#[async_trait]
pub trait ImportGuard: Send {
    /// Writes whole commits, in order, as they were: positions, links and all.
    async fn write(
        &mut self,
        events: &[RecordedEvent],
        links: &[ChainLink],
        keys: &[SubjectKey],
    ) -> Result<(), StoreError>;

    /// Makes all of it the log.
    async fn commit(self: Box<Self>, beside: Beside) -> Result<(), StoreError>;
}
