//! Telemetry of flights: positions and lines of the ACARS log by sequence number, stored once however often they arrive.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::ports::event_store::StoreError;

/// One position report of a flight. Integers throughout: what was received is what is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The client's own number, from 0 or from 1; unique within a flight.
    pub sequence: i32,
    /// To the microsecond.
    pub time: Timestamp,
    /// WGS 84, in 1e-7 degrees.
    pub latitude_e7: i32,
    /// WGS 84, in 1e-7 degrees.
    pub longitude_e7: i32,
    pub altitude_ft: Option<i32>,
    /// True heading or track, 0..360.
    pub heading_deg: Option<i16>,
    pub ground_speed_kt: Option<i16>,
    pub indicated_airspeed_kt: Option<i16>,
    pub vertical_speed_fpm: Option<i32>,
    pub fuel_kg: Option<i32>,
    /// ACARS phase code, open.
    pub phase: Option<String>,
}

/// One line of a flight's ACARS log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The client's own number, from 0; unique within a flight's log.
    pub sequence: i32,
    /// To the microsecond.
    pub time: Timestamp,
    /// Its text, encrypted with the key of the flight's pilot.
    pub sealed: Vec<u8>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Samples that were new.
    pub stored: usize,
    /// Samples that were there already.
    pub duplicates: usize,
    /// How many samples the flight has now.
    pub count: i64,
    /// The highest sequence number of the flight.
    pub last_sequence: Option<i32>,
}

/// How much of a flight's track has arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// How many samples the flight has.
    pub count: i64,
    /// The highest sequence number of the flight.
    pub last_sequence: Option<i32>,
    /// When the last batch came that was new, by the server's clock.
    pub last_received_at: Option<Timestamp>,
}

#[derive(Debug, thiserror::Error)]
pub enum TrackError {
    #[error("this batch id was used for another batch")]
    BatchReused,
    #[error("the track store is unavailable")]
    Unavailable(#[source] StoreError),
}

#[async_trait]
pub trait TrackStore: Send + Sync {
    /// Stores a batch once: the same id with the same digest answers as the first time.
    async fn store(
        &self,
        flight: Uuid,
        batch_id: Uuid,
        digest: [u8; 32],
        received_at: Timestamp,
        samples: Vec<Sample>,
    ) -> Result<Stored, TrackError>;

    /// At most `limit` samples of a flight after a sequence number, in order of sequence.
    async fn samples(
        &self,
        flight: Uuid,
        after: Option<i32>,
        limit: usize,
    ) -> Result<Vec<Sample>, StoreError>;

    /// The extents of those of `flights` that have any samples.
    async fn extents(&self, flights: &[Uuid]) -> Result<HashMap<Uuid, Extent>, StoreError>;

    /// Stores lines of a flight's log; answers how many were new. Of two with one number the first stays.
    async fn store_log(&self, flight: Uuid, lines: Vec<LogLine>) -> Result<usize, StoreError>;

    /// At most `limit` lines of a flight's log after a sequence number, in order of sequence.
    async fn log(
        &self,
        flight: Uuid,
        after: Option<i32>,
        limit: usize,
    ) -> Result<Vec<LogLine>, StoreError>;

    /// Those of `flights` whose log has any lines.
    async fn with_logs(&self, flights: &[Uuid]) -> Result<HashSet<Uuid>, StoreError>;

    /// The flights whose samples are stored one by one.
    async fn unpacked(&self) -> Result<Vec<Uuid>, StoreError>;

    /// Packs a flight's samples into one compressed value; false when there are none, or too many. They read as
    /// before, to the byte: single samples go in the same transaction, after the value was read back and compared.
    /// A later batch unpacks them again.
    async fn pack(&self, flight: Uuid) -> Result<bool, StoreError>;
}

/// At most `limit` of the samples after a sequence number; they are in order of sequence.
pub fn page(mut samples: Vec<Sample>, after: Option<i32>, limit: usize) -> Vec<Sample> {
    let read = samples.partition_point(|sample| Some(sample.sequence) <= after);
    samples.drain(..read);
    samples.truncate(limit);
    samples
}
