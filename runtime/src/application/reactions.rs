//! Reactions: a lane of its own that follows the log and lets policies issue commands. A rebuild never fires it.

pub mod due;
pub mod policy;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::application::error::ServiceError;
use crate::application::event_names::event_name;
use crate::application::events::EventReader;
use crate::application::projections::lag;
use crate::application::projections::lane::Reached;
use crate::application::projections::metrics::ProjectionMetrics;
use crate::application::shared::Shared;
use crate::ports::backoff::{Backoff, jittered};
use crate::ports::clock::{Clock, Entropy};
use crate::ports::event_store::{EventStore, RecordedEvent, Undecodable};
use crate::ports::read_model::{Change, Checkpoint, CommitError, LaneGuard, ReadModel};

use due::{DUE, LANE, Timer};
use policy::{Policy, Timing};

/// Most events of one round.
const BATCH: usize = 500;
/// Most timers of one round.
const TIMERS: usize = 50;
/// After a wake-up: what comes in the meantime is one round.
const GATHER: Duration = Duration::from_millis(20);
/// The safety net under lost wake-ups.
const SWEEP: Duration = Duration::from_secs(60);
/// Until the process that holds the lane may have let go of it.
const HELD_ELSEWHERE: Duration = Duration::from_secs(1);
/// A round that takes longer hangs on a server that is gone without a word.
const PATIENCE: Duration = Duration::from_secs(60);
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Until a timer is tried again that nobody could make sense of.
const PUT_OFF: SignedDuration = SignedDuration::from_mins(5);

/// Follows the log of one tenant. Any number of replicas may run one: one at a time holds the lane.
pub struct Reactions {
    parts: ReactionParts,
    policies: Vec<Box<dyn Policy>>,
    /// Where the lane stopped, as this process has told already; 0 when it has not.
    stopped_at: AtomicI64,
}

/// What reactions are made of.
pub struct ReactionParts {
    pub events: Arc<dyn EventStore>,
    pub reader: EventReader,
    pub read_model: Arc<dyn ReadModel>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub metrics: ProjectionMetrics,
}

impl ReactionParts {
    pub fn of(shared: &Shared) -> Self {
        Self {
            events: shared.events.clone(),
            reader: shared.reader.clone(),
            read_model: shared.read_model.clone(),
            clock: shared.clock.clone(),
            entropy: shared.entropy.clone(),
            metrics: shared.projections.metrics.clone(),
        }
    }
}

/// What a round came to.
#[derive(Debug)]
enum Round {
    Moved,
    Idle,
    Held,
    /// The event behind what was reached cannot be acted upon.
    Stopped(ServiceError),
}

/// How far the events of a round have been acted upon.
#[derive(Default)]
struct Told {
    changes: Vec<Change>,
    /// How many of them, from the front.
    count: usize,
    failure: Option<ServiceError>,
}

impl Reactions {
    pub fn new(parts: ReactionParts, policies: Vec<Box<dyn Policy>>) -> Self {
        Self {
            parts,
            policies,
            stopped_at: AtomicI64::new(0),
        }
    }

    /// Makes the table of timers, if need be.
    ///
    /// # Errors
    /// When the read model is unavailable.
    pub async fn prepare(&self) -> Result<(), ServiceError> {
        Ok(due::prepare(&*self.parts.read_model).await?)
    }

    /// Runs until `stop`. Nothing is lost when it ends in the middle, and nothing takes effect twice.
    pub async fn run(&self, stop: &CancellationToken) {
        stop.run_until_cancelled(self.run_forever()).await;
    }

    /// Acts upon all that is in the log and due now.
    ///
    /// # Errors
    /// When a store is unavailable or an event cannot be acted upon.
    pub async fn catch_up(&self) -> Result<(), ServiceError> {
        loop {
            match self.round().await? {
                Round::Moved => {}
                Round::Idle => return Ok(()),
                Round::Held => sleep(GATHER).await,
                Round::Stopped(error) => return Err(error),
            }
        }
    }

    async fn run_forever(&self) {
        let mut appended = self.parts.events.appended();
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            appended.mark_unchanged();
            let round = timeout(PATIENCE, self.round_and_wait()).await;
            let wait =
                round.unwrap_or_else(|silence| Err(ServiceError::Unavailable(silence.into())));
            let wait = match wait {
                Ok(wait) => {
                    backoff.reset();
                    wait
                }
                Err(error) => {
                    tracing::warn!(%error, "reactions wait");
                    self.note_lag().await;
                    sleep(backoff.next(&*self.parts.entropy)).await;
                    continue;
                }
            };
            tokio::select! {
                Ok(()) = appended.changed() => sleep(GATHER).await,
                () = sleep(wait) => {}
            }
        }
    }

    /// A round, and how long to wait for the next one unless the log grows.
    async fn round_and_wait(&self) -> Result<Duration, ServiceError> {
        Ok(match self.round().await? {
            Round::Moved => Duration::ZERO,
            Round::Held => HELD_ELSEWHERE,
            Round::Stopped(_) => LONGEST_WAIT,
            Round::Idle => {
                let sweep = jittered(SWEEP, &*self.parts.entropy);
                match due::next(&*self.parts.read_model).await? {
                    None => sweep,
                    Some(at) => {
                        let until = at.duration_since(self.parts.clock.now());
                        sweep.min(until.try_into().unwrap_or_default())
                    }
                }
            }
        })
    }

    /// Acts upon the next events, or once there are none upon the timers that are due. What follows is committed
    /// with the checkpoint; commands are in the log before that, and known by their ids if all of it is repeated.
    async fn round(&self) -> Result<Round, ServiceError> {
        let head = self.parts.events.head().await?;
        let Some(guard) = self.parts.read_model.lock_lane(LANE).await? else {
            return Ok(Round::Held);
        };
        let before = guard.checkpoint();
        if before.epoch != head.epoch {
            return unless_overtaken(guard.reset(&[&DUE], head.epoch).await);
        }
        let mut recorded = Vec::new();
        if before.position < head.position {
            recorded = match self.parts.events.read_after(before.position, BATCH).await {
                Err(error) if error.is::<Undecodable>() => {
                    let (position, error) = (before.position, error.into());
                    return self.stop(position, head.position, error).await;
                }
                read => read?,
            };
            // Whatever is delivered twice counts once.
            recorded.retain(|event| event.position > before.position);
        }
        if recorded.is_empty() {
            let reached = Reached {
                position: before.position,
                ..Reached::default()
            };
            self.note(&reached, false);
            return self.fire(guard).await;
        }
        let told = self.tell(&recorded).await?;
        let stopped_by = recorded.get(told.count);
        let last = recorded[..told.count].last();
        let position = last.map_or(before.position, |event| event.position);
        if position > before.position {
            let next = Checkpoint { position, ..before };
            let committed = unless_overtaken(guard.commit(told.changes, next).await)?;
            if matches!(committed, Round::Held) {
                return Ok(committed);
            }
        }
        let behind = (head.position - position).max(0);
        let waiting_since = stopped_by.or(last).map(|event| event.recorded_at);
        let reached = Reached {
            position,
            behind,
            waiting_since: waiting_since.filter(|_| behind > 0),
            visible: Vec::new(),
        };
        self.note(&reached, stopped_by.is_some());
        Ok(match told.failure {
            Some(error) => {
                self.say_stopped(position, &error);
                Round::Stopped(error)
            }
            None => Round::Moved,
        })
    }

    /// Tells every policy of every event that it wants to know, up to the first that cannot be read or acted upon.
    async fn tell(&self, recorded: &[RecordedEvent]) -> Result<Told, ServiceError> {
        let mut told = Told::default();
        for event in recorded {
            match self.tell_one(event).await {
                Ok(changes) => told.changes.extend(changes),
                Err(error @ ServiceError::Corrupt(_)) => {
                    told.failure = Some(error);
                    return Ok(told);
                }
                Err(error) => return Err(error),
            }
            told.count += 1;
        }
        Ok(told)
    }

    async fn tell_one(&self, event: &RecordedEvent) -> Result<Vec<Change>, ServiceError> {
        // What nobody knows may be anybody's: a later release reads it.
        let name = event_name(event.kind).map(|(_, name)| name);
        let policies = self.policies.iter();
        let policies: Vec<_> = policies
            .filter(|policy| name.is_none_or(|name| policy.reads(name)))
            .collect();
        let mut changes = Vec::new();
        if policies.is_empty() {
            return Ok(changes);
        }
        let decoded = self.parts.reader.decode(std::slice::from_ref(event)).await;
        for event in decoded? {
            for policy in &policies {
                let timing = policy.react(&event).await?;
                changes.extend(change(policy.name(), timing)?);
            }
        }
        Ok(changes)
    }

    /// Tells policies of the timers that are due. One that fires late fires once.
    async fn fire(&self, mut guard: Box<dyn LaneGuard>) -> Result<Round, ServiceError> {
        let now = self.parts.clock.now();
        let timers = due::due(&mut *guard, now, TIMERS).await?;
        if timers.is_empty() {
            return Ok(Round::Idle);
        }
        let mut changes = Vec::with_capacity(timers.len());
        for timer in &timers {
            let timing = match self.fire_one(timer).await {
                Err(ServiceError::Corrupt(error)) => {
                    let (policy, subject) = (&timer.policy, timer.subject);
                    tracing::error!(policy, %subject, error, "a timer is put off");
                    Some(Timing::Set(put_off(timer, now)))
                }
                fired => fired?,
            };
            changes.push(due::clear(&timer.policy, timer.subject));
            changes.extend(change(&timer.policy, timing)?);
        }
        let checkpoint = guard.checkpoint();
        unless_overtaken(guard.commit(changes, checkpoint).await)
    }

    async fn fire_one(&self, timer: &Timer) -> Result<Option<Timing>, ServiceError> {
        let policy = self.policies.iter().find(|it| it.name() == timer.policy);
        let policy = policy
            .ok_or_else(|| ServiceError::Corrupt("this release has no such policy".to_owned()))?;
        policy.due(timer).await
    }

    /// Before an event of which nothing is known but where it is.
    async fn stop(
        &self,
        position: i64,
        head: i64,
        error: ServiceError,
    ) -> Result<Round, ServiceError> {
        let reached = Reached::at(position, head, &*self.parts.events).await?;
        self.note(&reached, true);
        self.say_stopped(position, &error);
        Ok(Round::Stopped(error))
    }

    fn note(&self, reached: &Reached, stopped: bool) {
        if !stopped {
            self.stopped_at.store(0, Ordering::Relaxed);
        }
        let (metrics, now) = (&self.parts.metrics, self.parts.clock.now());
        metrics.note(LANE, reached, stopped, reached.position, now);
    }

    async fn note_lag(&self) {
        let parts = &self.parts;
        let (events, read_model) = (&*parts.events, &*parts.read_model);
        lag::note(LANE, events, read_model, &parts.metrics, &*parts.clock).await;
    }

    /// Says once that the lane stopped, not at every attempt.
    fn say_stopped(&self, position: i64, error: &ServiceError) {
        if self.stopped_at.swap(position + 1, Ordering::Relaxed) != position + 1 {
            tracing::error!(position, %error, "reactions stopped");
        }
    }
}

/// What follows is given once: by whoever was faster.
fn unless_overtaken(committed: Result<(), CommitError>) -> Result<Round, ServiceError> {
    match committed {
        Ok(()) => Ok(Round::Moved),
        Err(CommitError::Overtaken) => Ok(Round::Held),
        Err(CommitError::Unavailable(error)) => Err(error.into()),
    }
}

fn change(policy: &str, timing: Option<Timing>) -> Result<Option<Change>, ServiceError> {
    Ok(match timing {
        None => None,
        Some(Timing::Set(timer)) => Some(timer.set()?),
        Some(Timing::Clear(subject)) => Some(due::clear(policy, subject)),
    })
}

fn put_off(timer: &Timer, now: Timestamp) -> Timer {
    Timer {
        due_at: now.saturating_add(PUT_OFF).unwrap_or(now),
        ..timer.clone()
    }
}
