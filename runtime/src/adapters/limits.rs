//! What every store refuses or rounds before it looks at its data.

use std::collections::HashSet;
use std::hash::Hash;

use jiff::{SignedDuration, Timestamp};

use crate::ports::event_store::{
    Append, AppendError, ClaimChange, MAX_EVENTS_PER_APPEND, MAX_PAYLOAD_BYTES,
};

const MAX_ACTOR_BYTES: usize = 200;
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

/// When a credential was last used is kept to the minute: coarser is less to write and less to tell.
pub fn to_minute(time: Timestamp) -> Timestamp {
    let seconds = time.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(60)).unwrap_or(time)
}

/// Requests recorded before this are forgotten.
pub fn request_horizon(now: Timestamp) -> Timestamp {
    now.saturating_sub(REQUEST_MEMORY).unwrap_or(Timestamp::MIN)
}

fn unique<T: Eq + Hash>(mut items: impl Iterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    items.all(|item| seen.insert(item))
}
