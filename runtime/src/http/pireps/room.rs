//! Room in memory for tracks that are read whole.

use crate::application::airline::Airline;
use crate::application::error::ServiceError;
use crate::application::tracks::MAX_SAMPLES;
use crate::http::room::{Room, Taken};
use crate::ports::track_store::Extent;

/// What a position takes at most while it is read and written as JSON; once it is written, a quarter of that.
const POSITION_BYTES: usize = 400;
/// What all tracks take in this process until they are sent. An airline may have one of the longest read at a time.
static TRACKS: Room = Room::new(
    2 * MAX_SAMPLES * POSITION_BYTES,
    MAX_SAMPLES * POSITION_BYTES,
);

/// The same of those that a flight's end is read off. Nobody slow holds any of it, nor waits before whom they keep waiting.
static ENDINGS: Room = Room::new(
    2 * MAX_SAMPLES * POSITION_BYTES,
    MAX_SAMPLES * POSITION_BYTES,
);

/// What a track of that extent takes, in bytes.
pub fn size(extent: Extent) -> usize {
    let positions = usize::try_from(extent.count).unwrap_or(usize::MAX);
    positions.saturating_mul(POSITION_BYTES)
}

/// # Errors
/// `Busy` when there is none in time.
pub async fn take(airline: &Airline, extent: Extent) -> Result<Taken, ServiceError> {
    TRACKS.take(airline.id(), size(extent)).await
}

/// The same to end the flight by it.
///
/// # Errors
/// `Busy` when there is none in time.
pub async fn take_to_end(airline: &Airline, extent: Extent) -> Result<Taken, ServiceError> {
    ENDINGS.take(airline.id(), size(extent)).await
}
