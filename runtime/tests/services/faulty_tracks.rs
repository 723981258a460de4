//! Tracks of which one cannot be decoded.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use albatross::ports::event_store::{StoreError, Undecodable};
use albatross::ports::track_store::{Extent, LogLine, Sample, Stored, TrackError, TrackStore};
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

pub struct FaultyTracks {
    inner: Arc<dyn TrackStore>,
    pub undecodable: Mutex<Option<Uuid>>,
}

impl FaultyTracks {
    pub fn over(inner: Arc<dyn TrackStore>) -> Arc<Self> {
        let undecodable = Mutex::default();
        Arc::new(Self { inner, undecodable })
    }
}

#[async_trait]
impl TrackStore for FaultyTracks {
    async fn store(
        &self,
        flight: Uuid,
        batch_id: Uuid,
        digest: [u8; 32],
        received_at: Timestamp,
        samples: Vec<Sample>,
    ) -> Result<Stored, TrackError> {
        let inner = &self.inner;
        inner
            .store(flight, batch_id, digest, received_at, samples)
            .await
    }

    async fn samples(
        &self,
        flight: Uuid,
        after: Option<i32>,
        limit: usize,
    ) -> Result<Vec<Sample>, StoreError> {
        if *self.undecodable.lock().unwrap() == Some(flight) {
            return Err(Undecodable("its packed samples are damaged".to_owned()).into());
        }
        self.inner.samples(flight, after, limit).await
    }

    async fn extents(&self, flights: &[Uuid]) -> Result<HashMap<Uuid, Extent>, StoreError> {
        self.inner.extents(flights).await
    }

    async fn store_log(&self, flight: Uuid, lines: Vec<LogLine>) -> Result<usize, StoreError> {
        self.inner.store_log(flight, lines).await
    }

    async fn log(
        &self,
        flight: Uuid,
        after: Option<i32>,
        limit: usize,
    ) -> Result<Vec<LogLine>, StoreError> {
        self.inner.log(flight, after, limit).await
    }

    async fn with_logs(&self, flights: &[Uuid]) -> Result<HashSet<Uuid>, StoreError> {
        self.inner.with_logs(flights).await
    }

    async fn unpacked(&self) -> Result<Vec<Uuid>, StoreError> {
        self.inner.unpacked().await
    }

    async fn pack(&self, flight: Uuid) -> Result<bool, StoreError> {
        self.inner.pack(flight).await
    }
}
