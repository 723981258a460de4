//! Telemetry in memory.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::ports::event_store::StoreError;
use crate::ports::track_store::{Extent, Sample, Stored, TrackError, TrackStore};

/// The positions of one tenant's flights.
#[derive(Default)]
pub struct MemoryTracks {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    flights: HashMap<Uuid, BTreeMap<i32, Sample>>,
    batches: HashMap<Uuid, Batch>,
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
        _received_at: Timestamp,
        samples: Vec<Sample>,
    ) -> Result<Stored, TrackError> {
        let mut state = self.state();
        if let Some(batch) = state.batches.get(&batch_id) {
            let same = batch.flight == flight && batch.digest == digest;
            return same.then_some(batch.answer).ok_or(TrackError::BatchReused);
        }
        let track = state.flights.entry(flight).or_default();
        let received = samples.len();
        let mut stored = 0;
        for sample in samples {
            if let Entry::Vacant(place) = track.entry(sample.sequence) {
                place.insert(sample);
                stored += 1;
            }
        }
        let answer = Stored {
            stored,
            duplicates: received - stored,
            count: track.len() as i64,
            last_sequence: track.keys().next_back().copied(),
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
        let Some(track) = state.flights.get(&flight) else {
            return Ok(Vec::new());
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
            let track = state
                .flights
                .get(flight)
                .filter(|track| !track.is_empty())?;
            let extent = Extent {
                count: track.len() as i64,
                last_sequence: track.keys().next_back().copied(),
            };
            Some((*flight, extent))
        });
        Ok(known.collect())
    }
}
