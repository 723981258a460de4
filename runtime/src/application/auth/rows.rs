//! Rows of `credentials`, each kind in one place.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::ids::{KeyId, UserId};
use crate::domain::roles::Scopes;
use crate::ports::credentials::{Credential, CredentialKind};

/// A user's password, as a PHC string.
pub fn password_row(user: UserId, phc: String, now: Timestamp) -> Credential {
    let id = user.to_string();
    row(CredentialKind::Password, id, user, phc.into_bytes(), now)
}

/// A one-time link, as a keyed digest.
pub fn link_row(
    user: UserId,
    id: &str,
    digest: &[u8],
    now: Timestamp,
    expires_at: Option<Timestamp>,
) -> Credential {
    let id = id.to_owned();
    let row = row(CredentialKind::LoginLink, id, user, digest.to_vec(), now);
    Credential { expires_at, ..row }
}

/// An API key, as a keyed digest with the scopes that it was issued for.
pub fn key_row(
    user: UserId,
    id: &KeyId,
    digest: &[u8],
    scopes: &Scopes,
    now: Timestamp,
    expires_at: Option<Timestamp>,
) -> Credential {
    let id = id.to_string();
    let row = row(CredentialKind::ApiKey, id, user, digest.to_vec(), now);
    Credential {
        expires_at,
        data: json!({ "scopes": scopes }),
        ..row
    }
}

fn row(
    kind: CredentialKind,
    id: String,
    user: UserId,
    verifier: Vec<u8>,
    now: Timestamp,
) -> Credential {
    Credential {
        kind,
        id,
        subject: user.0,
        verifier,
        data: Value::Null,
        created_at: now,
        expires_at: None,
        last_used_at: None,
    }
}
