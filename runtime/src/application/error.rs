//! Why a service does not answer as asked: one enum, which HTTP maps to problem+json in one place.

use std::time::Duration;

use crate::application::events::ReadError;
use crate::application::subject_keys::KeyError;
use crate::domain::refusal::Refusal;
use crate::ports::event_store::{StoreError, Undecodable};
use crate::ports::track_store::TrackError;

#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The rules do not permit it, or the input is not valid.
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("who calls is not known")]
    Unauthenticated,
    #[error("the answer held a secret and was given before")]
    AlreadyIssued,
    #[error("the entity is at version {actual}")]
    Stale { actual: i32 },
    #[error("the version that the decision is based on is missing")]
    PreconditionRequired,
    #[error("the idempotency key was used with another body")]
    IdempotencyMismatch,
    #[error("too many requests")]
    TooManyRequests { retry_after: Duration },
    #[error("all slots for this work are taken")]
    Busy { retry_after: Duration },
    #[error("the wanted position is not visible yet")]
    NotYetVisible,
    #[error("a server behind this one is unavailable: {0}")]
    Unavailable(#[source] StoreError),
    /// What is stored cannot be read: never the caller's fault.
    #[error("stored data is corrupt: {0}")]
    Corrupt(String),
}

impl ServiceError {
    /// There is no such thing, or the caller may not know of it.
    pub fn not_found(what: &str) -> Self {
        Self::Refused(Refusal::not_found(what))
    }

    /// One field of the input is not valid.
    pub fn invalid(pointer: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Refused(Refusal::invalid(pointer, code, detail))
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error.is::<Undecodable>() {
            true => Self::Corrupt(error.to_string()),
            false => Self::Unavailable(error),
        }
    }
}

impl From<ReadError> for ServiceError {
    fn from(error: ReadError) -> Self {
        match error.into_unavailable() {
            Ok(error) => error.into(),
            Err(error) => Self::Corrupt(error.to_string()),
        }
    }
}

impl From<KeyError> for ServiceError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Unavailable(error) => error.into(),
            error @ KeyError::Wrapped { .. } => Self::Corrupt(error.to_string()),
        }
    }
}

impl From<TrackError> for ServiceError {
    fn from(error: TrackError) -> Self {
        match error {
            TrackError::BatchReused => Self::IdempotencyMismatch,
            TrackError::Unavailable(error) => error.into(),
        }
    }
}
