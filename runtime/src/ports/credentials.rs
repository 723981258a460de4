//! Secrets' verifiers and who they stand for: never in events, never in the clear.

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::ports::event_store::StoreError;

/// What a credential proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i16)]
pub enum CredentialKind {
    /// Verifier: a PHC string; id: the user's id.
    Password = 1,
    /// Verifier: HMAC of the key's secret; id: the key id.
    ApiKey = 2,
    /// Verifier: HMAC of the link's token; id: its first half. One use.
    LoginLink = 3,
    /// Verifier: SHA-256 of the cookie; id: its first half.
    Session = 4,
    /// No secret: a user's present roles and standing, current as of the append that changed them.
    Principal = 5,
}

impl TryFrom<i16> for CredentialKind {
    type Error = i16;

    fn try_from(kind: i16) -> Result<Self, i16> {
        let kinds = [
            Self::Password,
            Self::ApiKey,
            Self::LoginLink,
            Self::Session,
            Self::Principal,
        ];
        kinds.into_iter().find(|k| *k as i16 == kind).ok_or(kind)
    }
}

/// One row of `credentials`, unique by kind and id.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    pub kind: CredentialKind,
    pub id: String,
    /// The user whom it stands for.
    pub subject: Uuid,
    pub verifier: Vec<u8>,
    /// JSON of the application's own: scopes, roles, labels.
    pub data: serde_json::Value,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// Coarse: kept to the minute at most.
    pub last_used_at: Option<Timestamp>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("kind", &self.kind)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A change that is written with an append or on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialChange {
    Put(Credential),
    Delete {
        kind: CredentialKind,
        id: String,
    },
    /// For example: every session of a user whose password changed.
    DeleteAll {
        kind: CredentialKind,
        subject: Uuid,
    },
    /// What else stands beside the log of a person who is erased: the data key, without which their texts stay
    /// closed for good, and the requests that they made or that were about their account.
    Erase {
        subject: Uuid,
    },
}

/// Look-ups and the few writes that belong to no event (sessions, use, rehash).
#[async_trait]
pub trait Credentials: Send + Sync {
    async fn credential(
        &self,
        kind: CredentialKind,
        id: &str,
    ) -> Result<Option<Credential>, StoreError>;

    /// All of one kind that stand for `subject`, oldest first.
    async fn credentials_of(
        &self,
        kind: CredentialKind,
        subject: Uuid,
    ) -> Result<Vec<Credential>, StoreError>;

    async fn change(&self, changes: Vec<CredentialChange>) -> Result<(), StoreError>;

    /// Deletes and returns it: a one-time credential is won by one caller only.
    async fn take(&self, kind: CredentialKind, id: &str) -> Result<Option<Credential>, StoreError>;

    /// Replaces the verifier only if it still is `old`: a rehash never overwrites a concurrent change.
    async fn replace_verifier(
        &self,
        kind: CredentialKind,
        id: &str,
        old: &[u8],
        new: &[u8],
    ) -> Result<bool, StoreError>;

    async fn touch(
        &self,
        kind: CredentialKind,
        id: &str,
        used_at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Removes what has expired before `now`, and client requests older than 30 days; returns how many.
    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError>;
}
