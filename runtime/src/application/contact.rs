//! Whether a flight is still heard of, by when the server received its last position. Told at query time: silence is no event.

use jiff::{SignedDuration, Timestamp};

use crate::domain::pirep::PirepState;
use crate::ports::track_store::Extent;

/// After so long without a position contact is lost.
const LOST_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// After so long its client will not come back.
const SILENT_AFTER: SignedDuration = SignedDuration::from_hours(12);

/// How a flight that is under way is heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    Current,
    /// No position for ten minutes.
    Lost,
    /// No position for twelve hours: it may be finished from those that have come.
    Silent,
}

/// None of a flight that is not in progress, or of which no position has ever come.
pub fn contact(state: PirepState, track: Extent, now: Timestamp) -> Option<Contact> {
    let heard_at = track.last_received_at?;
    if state != PirepState::InProgress || track.count == 0 {
        return None;
    }
    let silence = now.duration_since(heard_at);
    Some(if silence >= SILENT_AFTER {
        Contact::Silent
    } else if silence >= LOST_AFTER {
        Contact::Lost
    } else {
        Contact::Current
    })
}
