//! What appends of one batch have in common, whatever the database.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::adapters::limits;
use crate::ports::credentials::CredentialChange;
use crate::ports::event_store::{Append, RecordedEvent};

/// Stream, command, claims, request, subjects and credentials: at most one command of a batch touches each.
pub fn keys(append: &Append) -> Vec<u64> {
    let mut keys = vec![
        hash(("stream", append.stream_id)),
        hash(("command", append.command_id)),
    ];
    keys.extend(
        append
            .claims
            .iter()
            .map(|c| hash(("claim", limits::claim(c)))),
    );
    keys.extend(append.request.iter().map(|r| hash(("request", r.key))));
    keys.extend(
        append
            .subject_keys
            .iter()
            .map(|k| hash(("subject", k.subject))),
    );
    for change in &append.credentials {
        match change {
            CredentialChange::Put(credential) => {
                keys.push(hash(("credential", credential.kind, &credential.id)));
                keys.push(hash(("holder", credential.kind, credential.subject)));
            }
            CredentialChange::Delete { kind, id } => keys.push(hash(("credential", kind, id))),
            CredentialChange::DeleteAll { kind, subject } => {
                keys.push(hash(("holder", kind, subject)));
            }
            CredentialChange::Erase { subject } => keys.push(hash(("subject", subject))),
        }
    }
    keys
}

/// Events alone, without anything beside them that has to be looked up.
pub fn is_plain(append: &Append) -> bool {
    append.claims.is_empty()
        && append.request.is_none()
        && append.credentials.is_empty()
        && append.subject_keys.is_empty()
}

/// About the bytes that an append writes.
pub fn weight(append: &Append) -> usize {
    let events = append.events.iter();
    events.map(|event| event_weight(&event.payload)).sum()
}

/// About the bytes that an event with this payload takes.
pub fn event_weight(payload: &[u8]) -> usize {
    payload.len() + 256
}

/// The append's events as they will stand in the log behind `head`.
pub fn record(append: &Append, head: i64) -> impl Iterator<Item = RecordedEvent> {
    append
        .events
        .iter()
        .zip(1..)
        .map(move |(event, n)| RecordedEvent {
            position: head + i64::from(n),
            stream_id: append.stream_id,
            version: append.expected_version + n,
            kind: event.kind,
            schema: event.schema,
            event_id: event.event_id,
            command_id: append.command_id,
            causation_id: append.causation_id,
            correlation_id: append.correlation_id,
            actor: append.actor.clone(),
            recorded_at: append.recorded_at,
            payload: event.payload.clone(),
        })
}

/// Splits into slices whose lengths are among `sizes`, which descend to 1.
pub fn chunks<'a, T>(mut items: &'a [T], sizes: &'a [usize]) -> impl Iterator<Item = &'a [T]> {
    std::iter::from_fn(move || {
        let size = *sizes
            .iter()
            .find(|size| **size <= items.len() && **size > 0)?;
        let (chunk, rest) = items.split_at(size);
        items = rest;
        Some(chunk)
    })
}

fn hash(key: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
