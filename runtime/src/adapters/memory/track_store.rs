//! Telemetry in memory.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, btree_map};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::adapters::packing;
use crate::ports::event_store::StoreError;
use crate::ports::track_store::{Extent, LogLine, Sample, Stored, TrackError, TrackStore, page};

/// The positions of one tenant's flights.
#[derive(Default)]
pub struct MemoryTracks {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Samples one by one; while a flight has any, its packed value does not count.
    flights: HashMap<Uuid, BTreeMap<i32, Sample>>,
    packed: HashMap<Uuid, Vec<u8>>,
    extents: HashMap<Uuid, Extent>,
    batches: HashMap<Uuid, Batch>,
    logs: HashMap<Uuid, BTreeMap<i32, LogLine>>,
}

struct Batch {
    flight: Uuid,
    digest: [u8; 32],
    answer: Stored,
}

impl MemoryTracks {
    pub fn new() -> Self {
        Self::default()
    }

    /// In bytes: samples, packed or not, and lines of logs.
    pub fn size(&self) -> usize {
        let state = self.state();
        let samples: usize = state.flights.values().map(BTreeMap::len).sum();
        let packed: usize = state.packed.values().map(Vec::len).sum();
        let lines = state.logs.values().flat_map(BTreeMap::values);
        let lines: usize = lines.map(|it| size_of::<LogLine>() + it.sealed.len()).sum();
        samples * size_of::<Sample>() + packed + lines
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl TrackStore for MemoryTracks {
    async fn store(
        &self,
        flight: Uuid,
        batch_id: Uuid,
        digest: [u8; 32],
        received_at: Timestamp,
        samples: Vec<Sample>,
    ) -> Result<Stored, TrackError> {
        let mut state = self.state();
        if let Some(batch) = state.batches.get(&batch_id) {
            let same = batch.flight == flight && batch.digest == digest;
            return same.then_some(batch.answer).ok_or(TrackError::BatchReused);
        }
        let state = &mut *state;
        let track = match state.flights.entry(flight) {
            Entry::Occupied(rows) => rows.into_mut(),
            Entry::Vacant(none) => {
                let rows = unpacked(state.packed.get(&flight)).map_err(TrackError::Unavailable)?;
                none.insert(rows.into_iter().map(|row| (row.sequence, row)).collect())
            }
        };
        let received = samples.len();
        let mut stored = 0;
        for sample in samples {
            if let btree_map::Entry::Vacant(place) = track.entry(sample.sequence) {
                place.insert(sample);
                stored += 1;
            }
        }
        let before = state.extents.get(&flight);
        let heard_before = before.and_then(|it| it.last_received_at);
        let extent = Extent {
            count: track.len() as i64,
            last_sequence: track.keys().next_back().copied(),
            last_received_at: heard_before.max(Some(received_at)),
        };
        if extent.count > 0 {
            state.extents.insert(flight, extent);
        }
        let answer = Stored {
            stored,
            duplicates: received - stored,
            count: extent.count,
            last_sequence: extent.last_sequence,
        };
        let batch = Batch {
            flight,
            digest,
            answer,
        };
        state.batches.insert(batch_id, batch);
        Ok(answer)
    }

    async fn samples(
        &self,
        flight: Uuid,
        after: Option<i32>,
        limit: usize,
    ) -> Result<Vec<Sample>, StoreError> {
        let state = self.state();
        let Some(track) = state.flights.get(&flight).filter(|track| !track.is_empty()) else {
            return Ok(page(unpacked(state.packed.get(&flight))?, after, limit));
        };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found = track.range((start, Bound::Unbounded));
        Ok(found
            .take(limit)
            .map(|(_, sample)| sample.clone())
            .collect())
    }

    async fn extents(&self, flights: &[Uuid]) -> Result<HashMap<Uuid, Extent>, StoreError> {
        let state = self.state();
        let known = flights.iter().filter_map(|flight| {
            let extent = state.extents.get(flight)?;
            Some((*flight, *extent))
        });
        Ok(known.collect())
    }

    async fn store_log(&self, flight: Uuid, lines: Vec<LogLine>) -> Result<usize, StoreError> {
        let mut state = self.state();
        let log = state.logs.entry(flight).or_default();
        let before = log.len();
        for line in lines {
            log.entry(line.sequence).or_insert(line);
        }
        Ok(log.len() - before)
    }

    async fn log(
        &self,
        flight: Uuid,
        after: Option<i32>,
        limit: usize,
    ) -> Result<Vec<LogLine>, StoreError> {
        let state = self.state();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let log = state.logs.get(&flight).into_iter();
        let found = log.flat_map(|log| log.range((start, Bound::Unbounded)));
        Ok(found.take(limit).map(|(_, line)| line.clone()).collect())
    }

    async fn with_logs(&self, flights: &[Uuid]) -> Result<HashSet<Uuid>, StoreError> {
        let state = self.state();
        let some = |flight: &&Uuid| state.logs.get(flight).is_some_and(|log| !log.is_empty());
        Ok(flights.iter().filter(some).copied().collect())
    }

    async fn unpacked(&self) -> Result<Vec<Uuid>, StoreError> {
        let state = self.state();
        let flights = state.flights.iter();
        let with_rows = flights.filter(|(_, track)| !track.is_empty());
        Ok(with_rows.map(|(flight, _)| *flight).collect())
    }

    async fn pack(&self, flight: Uuid) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Some(track) = state.flights.get(&flight) else {
            return Ok(false);
        };
        if track.is_empty() || track.len() > packing::MAX_SAMPLES {
            return Ok(false);
        }
        let samples: Vec<_> = track.values().cloned().collect();
        let value = packing::pack(&samples)?;
        if packing::unpack(&value)? != samples {
            return Err("what was packed does not read as what was stored".into());
        }
        state.packed.insert(flight, value);
        state.flights.remove(&flight);
        Ok(true)
    }
}

fn unpacked(value: Option<&Vec<u8>>) -> Result<Vec<Sample>, StoreError> {
    let samples = value.map(|value| packing::unpack(value)).transpose()?;
    Ok(samples.unwrap_or_default())
}
