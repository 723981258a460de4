//! What is written beside events, as the JSON that the functions of the database read.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::ports::credentials::CredentialChange;
use crate::ports::event_store::{Append, ClaimChange};

/// The facts of a batch, or none when no command has any.
pub fn of(commands: &[Append]) -> Option<Value> {
    let (mut claims, mut requests) = (Vec::new(), Vec::new());
    let (mut subject_keys, mut credentials) = (Vec::new(), Vec::new());
    for (command, append) in (1..).zip(commands) {
        for change in &append.claims {
            let (take, claim, owner) = match change {
                ClaimChange::Take { claim, owner } => (true, claim, owner),
                ClaimChange::Release { claim, owner } => (false, claim, owner),
            };
            let claim = bytea(claim);
            claims.push(json!({"command": command, "take": take, "claim": claim, "owner": owner}));
        }
        requests.extend(append.request.iter().map(|request| {
            json!({
                "command": command, "key": bytea(&request.key),
                "body_digest": bytea(&request.body_digest), "secret": request.secret,
                "recorded_at": append.recorded_at,
            })
        }));
        subject_keys.extend(append.subject_keys.iter().map(|key| {
            json!({"command": command, "subject": key.subject, "wrapped": bytea(&key.wrapped)})
        }));
        credentials.extend(append.credentials.iter().map(|change| {
            let mut change = credential(change);
            change["command"] = json!(command);
            change
        }));
    }
    let lists = [&claims, &requests, &subject_keys, &credentials];
    lists.iter().any(|list| !list.is_empty()).then(|| {
        json!({
            "claims": claims, "requests": requests,
            "subject_keys": subject_keys, "credentials": credentials,
        })
    })
}

/// An element of what `log.change_credentials` takes. The data is text within: there it may hold a NUL.
pub fn credential(change: &CredentialChange) -> Value {
    match change {
        CredentialChange::Put(put) => json!({
            "operation": "put", "kind": put.kind as i16, "id": put.id, "subject": put.subject,
            "verifier": bytea(&put.verifier), "data": put.data.to_string(),
            "created_at": put.created_at, "expires_at": put.expires_at,
            "last_used_at": put.last_used_at,
        }),
        CredentialChange::Delete { kind, id } => {
            json!({"operation": "delete", "kind": *kind as i16, "id": id})
        }
        CredentialChange::DeleteAll { kind, subject } => {
            json!({"operation": "delete_all", "kind": *kind as i16, "subject": subject})
        }
        CredentialChange::Erase { subject } => json!({"operation": "erase", "subject": subject}),
    }
}

/// Bytes as PostgreSQL reads them from text.
fn bytea(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
