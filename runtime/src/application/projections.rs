//! Projections: lanes that follow the log and fill the read model, and who waits for them.

pub mod catalogue;
pub mod entities;
pub mod flights;
pub mod fold;
pub mod lag;
pub mod lane;
pub mod metrics;
pub mod people;
pub mod rebuild;
pub mod tables;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::application::error::ServiceError;
use crate::application::events::{EventReader, ReadError};
use crate::application::progress::ProgressLog;
use crate::application::projections::lane::{Advance, Lane, Sources};
use crate::application::projections::metrics::ProjectionMetrics;
use crate::application::projections::rebuild::{Plan, RebuildError, Watch};
use crate::ports::clock::{Clock, Entropy};
use crate::ports::event_store::{EventStore, StoreError, Undecodable};
use crate::ports::read_model::ReadModel;
use crate::ports::supervisor::Supervisor;

/// Most events of one transaction.
const BATCH: usize = 1_000;
/// Safety net under lost wake-ups.
const SWEEP: Duration = Duration::from_secs(60);
/// Sweeps of many tenants spread over this much more.
const SWEEP_JITTER_MS: u64 = 10_000;
const RETRY: Duration = Duration::from_secs(1);
const RETRY_AT_MOST: Duration = Duration::from_secs(30);
/// A batch that takes longer hangs on a server that is gone without a word.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a read waits for a write to become visible.
const VISIBLE_WITHIN: Duration = Duration::from_secs(2);
/// How often it looks, when another process projects.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Follows the log of one tenant.
pub struct Projections {
    events: Arc<dyn EventStore>,
    reader: EventReader,
    read_model: Arc<dyn ReadModel>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    batch: usize,
    rows_in_memory: usize,
    /// Changes with every commit of a lane in this process.
    committed: watch::Sender<u64>,
    notes: Mutex<[Note; Lane::ALL.len()]>,
    pub metrics: ProjectionMetrics,
}

/// What this process knows of a lane from one attempt to the next.
#[derive(Clone, Copy, Default)]
struct Note {
    stopped_at: Option<i64>,
    /// Up to here events were in the log before this process looked, or have been visible before.
    replayed: Option<i64>,
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
    /// It has never run: its tables are empty, and built beside.
    pub unbuilt: bool,
}

impl Projections {
    pub fn new(
        events: Arc<dyn EventStore>,
        reader: EventReader,
        read_model: Arc<dyn ReadModel>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            events,
            reader,
            read_model,
            clock,
            entropy,
            batch: BATCH,
            rows_in_memory: rebuild::ROWS_IN_MEMORY,
            committed: watch::Sender::new(0),
            notes: Mutex::default(),
            metrics: ProjectionMetrics::default(),
        }
    }

    /// The same with at most this many events in a transaction.
    #[must_use]
    pub fn with_batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    /// The same with about this many rows of a table in memory during a rebuild.
    #[must_use]
    pub fn with_rows_in_memory(self, rows_in_memory: usize) -> Self {
        Self {
            rows_in_memory,
            ..self
        }
    }

    /// Creates the tables that are missing.
    pub async fn prepare(&self) -> Result<(), ServiceError> {
        Ok(self.read_model.prepare(tables::ALL).await?)
    }

    /// Brings every lane to where the log is, for a process that serves at once; one that an event stops stays before it.
    ///
    /// # Errors
    /// When a store is unavailable.
    pub async fn begin(&self) -> Result<(), ServiceError> {
        for lane in Lane::ALL {
            match self.catch_up_lane(lane).await {
                // Said when it stopped.
                Ok(()) | Err(ServiceError::Corrupt(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Follows the log until it is cancelled, each lane by itself.
    pub async fn run(&self, supervisor: &Supervisor, cancel: &CancellationToken) {
        let [people, flights] = Lane::ALL.map(|lane| {
            let follow = move || self.follow(lane, cancel);
            supervisor.keep(lane.name(), cancel, follow)
        });
        tokio::join!(people, flights);
    }

    /// Projects all that is in the log now, lane after lane.
    ///
    /// # Errors
    /// When a store is unavailable or an event cannot be projected.
    pub async fn catch_up(&self) -> Result<(), ServiceError> {
        for lane in Lane::ALL {
            self.catch_up_lane(lane).await?;
        }
        Ok(())
    }

    /// The same for one lane.
    pub async fn catch_up_lane(&self, lane: Lane) -> Result<(), ServiceError> {
        loop {
            match self.advance(lane).await? {
                Advance::UpToDate(_) => return Ok(()),
                Advance::Moved(_) | Advance::Restarted => {}
                Advance::Unbuilt if self.build(lane).await? => {}
                Advance::Held | Advance::Unbuilt => sleep(LOOK_EVERY).await,
                Advance::Stopped { error, .. } => return Err(error),
            }
        }
    }

    /// Builds the lane's tables anew beside the living ones, from the whole log, and swaps them; answers up to where.
    ///
    /// # Errors
    /// When another rebuild runs, a store is unavailable, or an event cannot be read. Nothing has changed then.
    pub async fn rebuild(&self, lane: Lane, watch: Watch<'_>) -> Result<i64, RebuildError> {
        let plan = Plan {
            events: self.events.clone(),
            reader: self.reader.clone(),
            read_model: self.read_model.clone(),
            batch: self.batch,
            rows_in_memory: self.rows_in_memory,
        };
        let position = rebuild::rebuild(lane, plan, watch).await?;
        self.committed.send_modify(|count| *count += 1);
        Ok(position)
    }

    /// Builds the tables of a lane that has never run, unless somebody else is about it; whether it can go on. Of a log
    /// with an event that this release cannot read, it is to show what comes before that.
    async fn build(&self, lane: Lane) -> Result<bool, ServiceError> {
        let name = lane.name();
        let mut progress = ProgressLog::new(format!("building {name}"));
        let mut watch = |done, of| progress.at(done, of);
        match self.rebuild(lane, &mut watch).await {
            Ok(position) => tracing::info!(lane = name, position, "built from the log"),
            Err(RebuildError::UnderWay) => return Ok(false),
            Err(RebuildError::Restored) => {}
            Err(RebuildError::Failed(ServiceError::Corrupt(error))) => {
                let Some(guard) = self.read_model.lock_lane(name).await? else {
                    return Ok(false);
                };
                // Somebody else may have come to the same meanwhile, and have filled it.
                if guard.checkpoint().epoch.is_nil() {
                    tracing::warn!(lane = name, error, "followed, since it cannot be built");
                    let epoch = self.events.head().await?.epoch;
                    lane.restart(guard, epoch).await?;
                }
            }
            Err(RebuildError::Failed(error)) => return Err(error),
        }
        Ok(true)
    }

    /// Waits until these lanes show everything up to `position`.
    ///
    /// # Errors
    /// `NotYetVisible` after two seconds.
    pub async fn wait_for(&self, lanes: &[Lane], position: i64) -> Result<(), ServiceError> {
        let deadline = Instant::now() + VISIBLE_WITHIN;
        let mut committed = self.committed.subscribe();
        while self.position(lanes).await? < position {
            let look = Instant::now() + LOOK_EVERY;
            if look >= deadline {
                return Err(ServiceError::NotYetVisible);
            }
            // Woken by a commit in this process, or looking again for one in another.
            let _ = timeout_at(look, committed.changed()).await;
        }
        Ok(())
    }

    /// The same for a position that somebody names. What was written before they asked is in the log by now, whoever wrote
    /// it: beyond its end there is nothing to wait for.
    ///
    /// # Errors
    /// `NotYetVisible`, at once for what is not in the log.
    pub async fn wait_for_named(&self, lanes: &[Lane], position: i64) -> Result<(), ServiceError> {
        if self.position(lanes).await? >= position {
            return Ok(());
        }
        if self.events.head().await?.position < position {
            return Err(ServiceError::NotYetVisible);
        }
        self.wait_for(lanes, position).await
    }

    /// Up to where each of these lanes has come.
    pub async fn position(&self, lanes: &[Lane]) -> Result<i64, ServiceError> {
        let mut least = i64::MAX;
        for lane in lanes {
            let checkpoint = self.read_model.checkpoint(lane.name()).await?;
            least = least.min(checkpoint.position);
        }
        Ok(least)
    }

    /// Whether the lane stands before an event that this release cannot read.
    pub async fn is_stopped(&self, lane: Lane) -> Result<bool, ServiceError> {
        let position = self.position(&[lane]).await?;
        let next = match self.events.read_after(position, 1).await {
            Err(error) if error.is::<Undecodable>() => return Ok(true),
            read => read?,
        };
        match self.reader.decode(&next).await {
            Ok(_) => Ok(false),
            Err(ReadError::Undecodable { .. }) => Ok(next.iter().any(|it| lane.reads(it.kind))),
            Err(error) => Err(error.into()),
        }
    }

    /// How far each lane is, for metrics.
    pub async fn status(&self) -> Result<Vec<LaneStatus>, ServiceError> {
        let head = self.events.head().await?;
        let notes = *self.notes();
        let mut lanes = Vec::with_capacity(Lane::ALL.len());
        for (lane, note) in Lane::ALL.into_iter().zip(notes) {
            let checkpoint = self.read_model.checkpoint(lane.name()).await?;
            let same_log = checkpoint.epoch == head.epoch;
            let position = if same_log { checkpoint.position } else { 0 };
            lanes.push(LaneStatus {
                lane: lane.name(),
                position,
                behind: head.position - position,
                // Another process may have got past it.
                stopped_at: note.stopped_at.filter(|stopped| position <= *stopped),
                unbuilt: checkpoint.epoch.is_nil() && head.position > 0,
            });
        }
        Ok(lanes)
    }

    async fn follow(&self, lane: Lane, cancel: &CancellationToken) {
        let mut appended = self.events.appended();
        let mut retry = RETRY;
        loop {
            appended.mark_unchanged();
            let advance = timeout(PATIENCE, self.advance(lane)).await;
            let mut advance =
                advance.unwrap_or_else(|silence| Err(StoreError::from(silence).into()));
            if matches!(advance, Ok(Advance::Unbuilt)) {
                // However long it takes.
                let Some(built) = cancel.run_until_cancelled(self.build(lane)).await else {
                    return;
                };
                advance = built.map(|built| match built {
                    true => Advance::Restarted,
                    false => Advance::Held,
                });
            }
            let wait = match advance {
                Ok(Advance::Moved(_) | Advance::Restarted) => continue,
                Ok(Advance::UpToDate(_)) => {
                    retry = RETRY;
                    self.sweep()
                }
                // Whoever holds it may have read the log's end before what woke this process, or die.
                Ok(Advance::Held | Advance::Unbuilt) => RETRY,
                Ok(Advance::Stopped { .. }) => RETRY_AT_MOST,
                Err(error) => {
                    tracing::warn!(lane = lane.name(), %error, "projection waits");
                    self.note_lag(lane).await;
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
        let advance = lane.advance(self.sources()).await?;
        self.note(lane, &advance);
        if matches!(advance, Advance::Moved(_) | Advance::Stopped { .. }) {
            self.committed.send_modify(|count| *count += 1);
        }
        Ok(advance)
    }

    fn sources(&self) -> Sources<'_> {
        Sources {
            events: &*self.events,
            reader: &self.reader,
            read_model: &*self.read_model,
            batch: self.batch,
        }
    }

    /// Says once that a lane stopped, not at every attempt.
    fn note(&self, lane: Lane, advance: &Advance) {
        let mut notes = self.notes();
        let note = &mut notes[lane as usize];
        match advance {
            Advance::Stopped { reached, error } => {
                let position = reached.position;
                if note.stopped_at.replace(position) != Some(position) {
                    tracing::error!(lane = lane.name(), position, %error, "projection stopped");
                }
            }
            Advance::Held | Advance::Unbuilt => {}
            Advance::UpToDate(_) | Advance::Moved(_) | Advance::Restarted => note.stopped_at = None,
        }
        match advance {
            Advance::Held | Advance::Unbuilt => {}
            Advance::Restarted => note.replayed = None,
            Advance::UpToDate(reached)
            | Advance::Moved(reached)
            | Advance::Stopped { reached, .. } => {
                let head = reached.position + reached.behind;
                let replayed = *note.replayed.get_or_insert(head);
                let stopped = matches!(advance, Advance::Stopped { .. });
                let (name, now) = (lane.name(), self.clock.now());
                self.metrics.note(name, reached, stopped, replayed, now);
                note.replayed = Some(replayed.max(reached.position));
            }
        }
    }

    async fn note_lag(&self, lane: Lane) {
        let (events, read_model) = (&*self.events, &*self.read_model);
        lag::note(lane.name(), events, read_model, &self.metrics, &*self.clock).await;
    }

    fn notes(&self) -> MutexGuard<'_, [Note; Lane::ALL.len()]> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sweep(&self) -> Duration {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        SWEEP + Duration::from_millis(u64::from_le_bytes(bytes) % SWEEP_JITTER_MS)
    }
}
