//! Projections: lanes that follow the log and fill the read model, and who waits for them.

pub mod entities;
pub mod flights;
pub mod lane;
pub mod metrics;
pub mod people;
pub mod tables;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::application::error::ServiceError;
use crate::application::events::EventReader;
use crate::application::projections::lane::{Advance, Lane, Sources};
use crate::application::projections::metrics::ProjectionMetrics;
use crate::ports::clock::Entropy;
use crate::ports::event_store::EventStore;
use crate::ports::read_model::ReadModel;

/// Most events of one transaction.
const BATCH: usize = 1_000;
/// Safety net under lost wake-ups.
const SWEEP: Duration = Duration::from_secs(60);
/// Sweeps of many tenants spread over this much more.
const SWEEP_JITTER_MS: u64 = 10_000;
const RETRY: Duration = Duration::from_secs(1);
const RETRY_AT_MOST: Duration = Duration::from_secs(30);
/// How long a read waits for a write to become visible.
const VISIBLE_WITHIN: Duration = Duration::from_secs(2);
/// How often it looks, when another process projects.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Follows the log of one tenant.
pub struct Projections {
    events: Arc<dyn EventStore>,
    reader: EventReader,
    read_model: Arc<dyn ReadModel>,
    entropy: Arc<dyn Entropy>,
    batch: usize,
    /// Changes with every commit of a lane in this process.
    committed: watch::Sender<u64>,
    stopped: Mutex<[Option<i64>; Lane::ALL.len()]>,
    pub metrics: ProjectionMetrics,
}

/// How far a lane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneStatus {
    pub lane: &'static str,
    /// Position of the last event that it has projected.
    pub position: i64,
    /// Events that it has not projected yet.
    pub behind: i64,
    /// It does not get past this position until it is helped.
    pub stopped_at: Option<i64>,
}

impl Projections {
    pub fn new(
        events: Arc<dyn EventStore>,
        reader: EventReader,
        read_model: Arc<dyn ReadModel>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            events,
            reader,
            read_model,
            entropy,
            batch: BATCH,
            committed: watch::Sender::new(0),
            stopped: Mutex::default(),
            metrics: ProjectionMetrics::default(),
        }
    }

    /// The same with at most this many events in a transaction.
    #[must_use]
    pub fn with_batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    /// Creates the tables that are missing.
    pub async fn prepare(&self) -> Result<(), ServiceError> {
        Ok(self.read_model.prepare(tables::ALL).await?)
    }

    /// Follows the log until it is cancelled.
    pub async fn run(&self, cancel: CancellationToken) {
        let [people, flights] = Lane::ALL.map(|lane| self.follow(lane, &cancel));
        tokio::join!(people, flights);
    }

    /// Projects all that is in the log now, lane after lane.
    ///
    /// # Errors
    /// When a store is unavailable or an event cannot be projected.
    pub async fn catch_up(&self) -> Result<(), ServiceError> {
        for lane in Lane::ALL {
            self.catch_up_with(lane).await?;
        }
        Ok(())
    }

    /// Projects what one lane needs of all that is in the log now.
    ///
    /// # Errors
    /// When a store is unavailable or an event cannot be projected.
    pub async fn catch_up_with(&self, lane: Lane) -> Result<(), ServiceError> {
        loop {
            match self.advance(lane).await? {
                Advance::UpToDate => return Ok(()),
                Advance::Moved { .. } => {}
                Advance::Held => sleep(LOOK_EVERY).await,
                Advance::Stopped { error, .. } => return Err(error),
            }
        }
    }

    /// Waits until everything up to `position` can be seen by queries.
    ///
    /// # Errors
    /// `NotYetVisible` after two seconds.
    pub async fn wait_for(&self, position: i64) -> Result<(), ServiceError> {
        let deadline = Instant::now() + VISIBLE_WITHIN;
        let mut committed = self.committed.subscribe();
        while self.position().await? < position {
            let look = Instant::now() + LOOK_EVERY;
            if look >= deadline {
                return Err(ServiceError::NotYetVisible);
            }
            // Woken by a commit in this process, or looking again for one in another.
            let _ = timeout_at(look, committed.changed()).await;
        }
        Ok(())
    }

    /// Up to where every lane has come.
    pub async fn position(&self) -> Result<i64, ServiceError> {
        let mut least = i64::MAX;
        for lane in Lane::ALL {
            let checkpoint = self.read_model.checkpoint(lane.name()).await?;
            least = least.min(checkpoint.position);
        }
        Ok(least)
    }

    /// How far each lane is, for metrics.
    pub async fn status(&self) -> Result<Vec<LaneStatus>, ServiceError> {
        let head = self.events.head().await?;
        let stopped = *self.stopped();
        let mut lanes = Vec::with_capacity(Lane::ALL.len());
        for (lane, stopped_at) in Lane::ALL.into_iter().zip(stopped) {
            let checkpoint = self.read_model.checkpoint(lane.name()).await?;
            let same_log = checkpoint.epoch == head.epoch;
            let position = if same_log { checkpoint.position } else { 0 };
            lanes.push(LaneStatus {
                lane: lane.name(),
                position,
                behind: head.position - position,
                stopped_at,
            });
        }
        Ok(lanes)
    }

    async fn follow(&self, lane: Lane, cancel: &CancellationToken) {
        let mut appended = self.events.appended();
        let mut retry = RETRY;
        loop {
            appended.mark_unchanged();
            let wait = match self.advance(lane).await {
                Ok(Advance::Moved { .. }) => continue,
                Ok(Advance::UpToDate | Advance::Held) => {
                    retry = RETRY;
                    self.sweep()
                }
                Ok(Advance::Stopped { .. }) => RETRY_AT_MOST,
                Err(error) => {
                    tracing::warn!(lane = lane.name(), %error, "projection waits");
                    let wait = retry;
                    retry = (retry * 2).min(RETRY_AT_MOST);
                    wait
                }
            };
            let wake = Instant::now() + wait;
            tokio::select! {
                () = cancel.cancelled() => return,
                () = sleep_until(wake) => {}
                changed = appended.changed() => {
                    if changed.is_err() {
                        sleep_until(wake).await;
                    }
                }
            }
        }
    }

    async fn advance(&self, lane: Lane) -> Result<Advance, ServiceError> {
        let sources = Sources {
            events: &*self.events,
            reader: &self.reader,
            read_model: &*self.read_model,
            batch: self.batch,
        };
        let advance = lane.advance(sources).await?;
        self.note(lane, &advance);
        if matches!(advance, Advance::Moved { .. }) {
            self.committed.send_modify(|count| *count += 1);
        }
        Ok(advance)
    }

    /// Says once that a lane stopped, not at every attempt.
    fn note(&self, lane: Lane, advance: &Advance) {
        let mut stopped = self.stopped();
        let stopped = &mut stopped[lane as usize];
        self.metrics.note(lane.name(), advance);
        match advance {
            Advance::Stopped { position, error } if *stopped != Some(*position) => {
                tracing::error!(lane = lane.name(), position, %error, "projection stopped");
                *stopped = Some(*position);
            }
            Advance::Stopped { .. } | Advance::Held => {}
            Advance::UpToDate | Advance::Moved { .. } => *stopped = None,
        }
    }

    fn stopped(&self) -> std::sync::MutexGuard<'_, [Option<i64>; Lane::ALL.len()]> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sweep(&self) -> Duration {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        SWEEP + Duration::from_millis(u64::from_le_bytes(bytes) % SWEEP_JITTER_MS)
    }
}
