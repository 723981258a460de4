//! The log of one tenant: append, read, and the facts that are written in the same transaction.

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use crate::ports::credentials::CredentialChange;

/// At most this many events in one [`Append`].
pub const MAX_EVENTS_PER_APPEND: usize = 1_000;
/// At most this many bytes in one event's payload.
pub const MAX_PAYLOAD_BYTES: usize = 256 * 1024;
/// At most this many bytes in one [`Append`], payloads and all that is written beside them.
pub const MAX_APPEND_BYTES: usize = 4 * 1024 * 1024;

/// A page of events ends behind the one with which its payloads reach this many bytes.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// An event on its way into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Tells a repeated append from another one at the same place of its stream. The caller keeps it unique beyond
    /// that: an id that comes at another place is stored once more.
    pub event_id: Uuid,
    /// Type id of the persisted event schema; never reused. The log does not look into it, nor into the payload.
    pub kind: i16,
    /// Version of that type's schema.
    pub schema: i16,
    pub payload: Vec<u8>,
}

/// Everything that one command writes: all of it or nothing.
#[derive(Clone, Debug)]
pub struct Append {
    pub command_id: Uuid,
    pub stream_id: Uuid,
    /// The version that the decision was based on; 0 for a stream that must not exist yet.
    pub expected_version: i32,
    /// One to [`MAX_EVENTS_PER_APPEND`] events.
    pub events: Vec<NewEvent>,
    pub causation_id: Option<Uuid>,
    pub correlation_id: Option<Uuid>,
    /// Who did it, for the audit: at most 200 bytes.
    pub actor: String,
    /// Truncated to microseconds by the caller's clock, which may be wrong or go back: only positions order events.
    pub recorded_at: Timestamp,
    pub claims: Vec<ClaimChange>,
    pub request: Option<ClientRequest>,
    pub credentials: Vec<CredentialChange>,
    pub subject_keys: Vec<SubjectKey>,
}

/// A unique fact, such as a keyed hash of an e-mail address, and who owns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimChange {
    /// Refuses the append when somebody else holds the claim; taking one's own again is fine.
    Take {
        claim: Vec<u8>,
        owner: Uuid,
    },
    Release {
        claim: Vec<u8>,
        owner: Uuid,
    },
}

/// A request that its client named (`Idempotency-Key`), remembered with the append for 30 days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRequest {
    /// Digest over actor, route and the client's key.
    pub key: [u8; 32],
    pub body_digest: [u8; 32],
    /// The answer held a secret, so it cannot be given a second time.
    pub secret: bool,
}

/// What became of a [`ClientRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRequest {
    pub request: ClientRequest,
    pub stream_id: Uuid,
    pub version: i32,
    pub position: i64,
}

/// A person's data key, wrapped by the tenant key. Deleting it erases the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectKey {
    pub subject: Uuid,
    pub wrapped: Vec<u8>,
}

/// Where an append ended up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Version of the stream after the append.
    pub version: i32,
    /// Position of the append's last event.
    pub position: i64,
}

/// An event as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Gapless, from 1, in commit order.
    pub position: i64,
    pub stream_id: Uuid,
    /// Gapless within the stream, from 1.
    pub version: i32,
    pub kind: i16,
    pub schema: i16,
    pub event_id: Uuid,
    pub command_id: Uuid,
    pub causation_id: Option<Uuid>,
    pub correlation_id: Option<Uuid>,
    pub actor: String,
    pub recorded_at: Timestamp,
    pub payload: Vec<u8>,
}

/// The end of the log. A restore changes the epoch, and with it every cursor becomes void.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub epoch: Uuid,
    pub position: i64,
}

/// One link of the hash chain: the digest over everything up to a commit's last position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainLink {
    pub position: i64,
    pub hash: [u8; 32],
}

/// Why an append was not made. Only [`AppendError::Unavailable`] may be worth a retry as it is.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The stream has moved on, or somebody in it has a key already that this command would make: decide again.
    #[error("stream is at version {actual}, not at the expected one")]
    Conflict { actual: i32 },
    #[error("a unique fact is already claimed")]
    ClaimTaken { claim: Vec<u8>, owner: Uuid },
    #[error("the client's request has been answered before")]
    RequestRepeated(RecordedRequest),
    #[error("append refused: {0}")]
    Invalid(&'static str),
    #[error("the event store is unavailable")]
    Unavailable(#[source] StoreError),
}

/// A failure of the storage behind a port: it is unavailable, unless it is [`Undecodable`].
pub type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// What is stored was read, and this release makes no sense of it: asking again does not help.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Undecodable(pub String);

/// The append-only log of one tenant.
///
/// Promises, held by one conformance suite over every adapter: positions are gapless and appear in
/// commit order; a reader that asks for "after n" can skip nothing; an append is all or nothing; an
/// append whose outcome is unknown may be repeated with the same event ids and is stored once, with
/// the first answer; dropping the returned future never cancels an append that has begun.
#[async_trait]
pub trait EventStore: Send + Sync {
    async fn append(&self, append: Append) -> Result<Appended, AppendError>;

    /// Events of one stream after `version`, oldest first.
    async fn read_stream(
        &self,
        stream_id: Uuid,
        after_version: i32,
    ) -> Result<Vec<RecordedEvent>, StoreError>;

    /// Events after `position`, in order: at most `limit`, and fewer where [`MAX_PAGE_BYTES`], or one that is
    /// [`Undecodable`], are reached before. None at the end of the log only.
    ///
    /// # Errors
    /// [`Undecodable`], with its position, if it is the event right after `position`.
    async fn read_after(
        &self,
        position: i64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError>;

    async fn head(&self) -> Result<Head, StoreError>;

    /// At most `limit` links of the hash chain after `position`, in order.
    async fn chain_after(&self, position: i64, limit: usize) -> Result<Vec<ChainLink>, StoreError>;

    async fn request(&self, key: &[u8; 32]) -> Result<Option<RecordedRequest>, StoreError>;

    async fn claim_owner(&self, claim: &[u8]) -> Result<Option<Uuid>, StoreError>;

    /// The keys that exist among `subjects`; an erased subject has none.
    async fn subject_keys(&self, subjects: &[Uuid]) -> Result<Vec<SubjectKey>, StoreError>;

    /// The highest position that this process knows to be committed; a hint, never the truth. [`EventStore::head`] notices a
    /// restore, and lowers it.
    fn appended(&self) -> watch::Receiver<Head>;

    /// Raises [`EventStore::appended`] after another process said that the log has grown.
    fn hint(&self, position: i64);
}
