//! What became of a command.

use uuid::Uuid;

use crate::application::events::{DecodedEvent, ReadError};
use crate::application::subject_keys::KeyError;
use crate::codec::EncodeError;
use crate::domain::refusal::Refusal;
use crate::ports::event_store::{RecordedRequest, StoreError};

/// An aggregate as its stream adds up.
#[derive(Clone, Debug)]
pub struct Loaded<A> {
    pub state: Option<A>,
    /// 0 when there is no such stream.
    pub version: i32,
    /// Position of the stream's last event; 0 when there is none.
    pub position: i64,
    /// What its events take as they are stored.
    pub bytes: usize,
}

/// What a command led to.
#[derive(Clone, Debug)]
pub struct Done<A> {
    pub state: A,
    pub version: i32,
    pub position: i64,
    /// Empty when the command changed nothing.
    pub events: Vec<DecodedEvent>,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the stream is at version {actual}, not at the expected one")]
    Stale { actual: i32 },
    #[error("a unique fact is claimed by somebody else")]
    ClaimTaken { claim: Vec<u8>, owner: Uuid },
    /// The same request has been answered before: nothing was written.
    #[error("the request has been answered before")]
    Repeated(RecordedRequest),
    #[error("the request's key was used with another body")]
    RequestReused,
    #[error("the stream changed under every attempt")]
    Contended,
    #[error("the append was not accepted: {0}")]
    NotAppended(&'static str),
    #[error(transparent)]
    Unreadable(ReadError),
    #[error(transparent)]
    Unwritable(EncodeError),
    #[error("the event store is unavailable: {0}")]
    Unavailable(#[source] StoreError),
}

impl From<ReadError> for CommandError {
    fn from(error: ReadError) -> Self {
        match error.into_unavailable() {
            Ok(error) => Self::Unavailable(error),
            Err(error) => Self::Unreadable(error),
        }
    }
}

impl From<KeyError> for CommandError {
    fn from(error: KeyError) -> Self {
        ReadError::Keys(error).into()
    }
}

impl From<EncodeError> for CommandError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::MissingKey(_) => Self::Refused(Refusal::conflict(
                "erased",
                "This person's data has been erased; nothing more can be written about them.",
            )),
            other => Self::Unwritable(other),
        }
    }
}
