//! What every store refuses or rounds before it looks at its data.

use std::collections::HashSet;
use std::hash::Hash;

use jiff::{SignedDuration, Timestamp};

use crate::ports::credentials::CredentialChange;
use crate::ports::event_store::{
    Append, AppendError, ClaimChange, MAX_APPEND_BYTES, MAX_EVENTS_PER_APPEND, MAX_PAYLOAD_BYTES,
};

const MAX_ACTOR_BYTES: usize = 200;
/// Of a claim, and of a credential's id: PostgreSQL's index refuses what is much larger.
const MAX_KEY_BYTES: usize = 256;
/// The year 1, from where on every store can tell the time and write it down.
const EARLIEST_SECOND: i64 = -62_135_596_800;
const REQUEST_MEMORY: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Checks the shape of an append: limits, and that each fact is named once.
pub fn check(append: &Append) -> Result<(), AppendError> {
    let refuse = |reason| Err(AppendError::Invalid(reason));
    let count = append.events.len();
    if count == 0 {
        return refuse("an append holds at least one event");
    }
    if count > MAX_EVENTS_PER_APPEND {
        return refuse("an append holds at most 1000 events");
    }
    if append.expected_version < 0 || append.expected_version > i32::MAX - count as i32 {
        return refuse("the expected version is out of range");
    }
    if append
        .events
        .iter()
        .any(|e| e.payload.len() > MAX_PAYLOAD_BYTES)
    {
        return refuse("a payload holds at most 256 KiB");
    }
    if append.actor.len() > MAX_ACTOR_BYTES || append.actor.contains('\0') {
        return refuse("an actor holds at most 200 bytes and no NUL");
    }
    if bytes(append) > MAX_APPEND_BYTES {
        return refuse("an append holds at most 4 MiB");
    }
    if append.recorded_at.as_second() < EARLIEST_SECOND
        || append.recorded_at.subsec_nanosecond() % 1_000 != 0
    {
        return refuse("a time is of our era, in whole microseconds");
    }
    if append.claims.iter().any(|c| claim(c).len() > MAX_KEY_BYTES) {
        return refuse("a claim holds at most 256 bytes");
    }
    if !append.credentials.iter().all(is_storable) {
        return refuse(
            "a credential's id holds at most 256 bytes and no NUL, its times are of our era",
        );
    }
    if !unique(append.events.iter().map(|e| e.event_id)) {
        return refuse("an event id occurs twice");
    }
    if !unique(append.claims.iter().map(claim)) {
        return refuse("a claim occurs twice");
    }
    if !unique(append.subject_keys.iter().map(|key| key.subject)) {
        return refuse("a subject's key occurs twice");
    }
    Ok(())
}

/// The claim that a change is about.
pub fn claim(change: &ClaimChange) -> &[u8] {
    match change {
        ClaimChange::Take { claim, .. } | ClaimChange::Release { claim, .. } => claim,
    }
}

/// The number of rows that a statement is limited to.
pub fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// When a credential was last used is kept to the minute: coarser is less to write and less to tell.
pub fn to_minute(time: Timestamp) -> Timestamp {
    let seconds = time.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(60)).unwrap_or(time)
}

/// Of all times that there are. By its seconds: the last one of the year 9999 is beyond what jiff takes in microseconds.
pub fn from_microsecond(microseconds: i64) -> Result<Timestamp, jiff::Error> {
    let nanoseconds = microseconds.rem_euclid(1_000_000) as i32 * 1_000;
    Timestamp::new(microseconds.div_euclid(1_000_000), nanoseconds)
}

/// Requests recorded before this are forgotten.
pub fn request_horizon(now: Timestamp) -> Timestamp {
    now.saturating_sub(REQUEST_MEMORY).unwrap_or(Timestamp::MIN)
}

/// About what the append writes.
fn bytes(append: &Append) -> usize {
    let events = append.events.iter().map(|event| event.payload.len());
    let claims = append.claims.iter().map(|change| claim(change).len());
    let keys = append.subject_keys.iter().map(|key| key.wrapped.len());
    let credentials = append.credentials.iter().map(|change| match change {
        CredentialChange::Put(put) => put.verifier.len() + put.data.to_string().len(),
        CredentialChange::Delete { .. }
        | CredentialChange::DeleteAll { .. }
        | CredentialChange::Erase { .. } => 0,
    });
    events.chain(claims).chain(keys).chain(credentials).sum()
}

fn is_storable(change: &CredentialChange) -> bool {
    let is_key = |id: &str| id.len() <= MAX_KEY_BYTES && !id.contains('\0');
    match change {
        CredentialChange::Put(put) => {
            let times = [Some(put.created_at), put.expires_at, put.last_used_at];
            let of_our_era = |time: &Timestamp| time.as_second() >= EARLIEST_SECOND;
            is_key(&put.id) && times.iter().flatten().all(of_our_era)
        }
        CredentialChange::Delete { id, .. } => is_key(id),
        CredentialChange::DeleteAll { .. } | CredentialChange::Erase { .. } => true,
    }
}

fn unique<T: Eq + Hash>(mut items: impl Iterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    items.all(|item| seen.insert(item))
}
