//! Why a payload could not be written or read.

use crate::domain::ids::UserId;

/// An event that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The person was erased: nothing more can be said about them.
    #[error("there is no data key for subject {0}")]
    MissingKey(UserId),
    #[error("the event holds personal data, but its stream has no subject")]
    NoSubject,
    #[error("the text could not be encrypted")]
    Encryption,
}

/// A stored event that cannot be read. Never caused by a missing data key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("event type {0} is not known to this release")]
    UnknownKind(i16),
    #[error("event type {kind} has no schema version {schema} in this release")]
    UnknownSchema { kind: i16, schema: i16 },
    #[error("the payload is not the message that its type says: {0}")]
    Malformed(#[from] prost::DecodeError),
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{0}` holds a value that it cannot have")]
    Invalid(&'static str),
    #[error("`{0}` does not decrypt with its subject's key")]
    Tampered(&'static str),
    #[error("a wrapped data key does not open with the tenant key")]
    WrappedKey,
}
