//! Publishes every event of the log to the feed, in order, from a cursor that moves only over confirmed ones.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::application::envelope::{EventNames, message};
use crate::ports::backoff::{Backoff, jittered};
use crate::ports::clock::Entropy;
use crate::ports::event_bus::{Feed, FeedMessage};
use crate::ports::event_store::{EventStore, RecordedEvent, StoreError};
use crate::ports::read_model::{Checkpoint, CommitError, ReadModel};

/// The cursor's name among the read model's lanes: one process at a time holds it.
pub const LANE: &str = "relay";
const BATCH: usize = 500;
/// The safety net under lost wake-ups.
const SWEEP: Duration = Duration::from_secs(60);
/// Until the process that holds the lane may have let go of it.
const HELD_ELSEWHERE: Duration = Duration::from_secs(1);
/// A round that takes longer hangs on a server that is gone without a word.
const PATIENCE: Duration = Duration::from_secs(60);
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Reads the log and feeds the world. Any number of replicas may run one.
pub struct Relay {
    pub events: Arc<dyn EventStore>,
    pub read_model: Arc<dyn ReadModel>,
    pub feed: Arc<dyn Feed>,
    pub entropy: Arc<dyn Entropy>,
    pub names: EventNames,
    pub metrics: RelayMetrics,
}

#[derive(Clone, Default)]
pub struct RelayMetrics {
    published: Counter,
    failures: Counter,
    behind: Gauge,
}

impl RelayMetrics {
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "albatross_relay_published",
            "Events that the broker confirmed",
            self.published.clone(),
        );
        registry.register(
            "albatross_relay_failures",
            "Rounds that ended with an error",
            self.failures.clone(),
        );
        registry.register(
            "albatross_relay_behind",
            "Events that are in the log but not confirmed yet",
            self.behind.clone(),
        );
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the broker confirmed none of {sent} events")]
struct Unconfirmed {
    sent: usize,
}

enum Round {
    CaughtUp,
    Advanced,
    HeldElsewhere,
}

impl Relay {
    /// Runs until `stop`. Nothing is lost when it ends in the middle: what was not confirmed is sent again.
    pub async fn run(&self, stop: &CancellationToken) {
        stop.run_until_cancelled(self.run_forever()).await;
    }

    async fn run_forever(&self) {
        let mut appended = self.events.appended();
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut failing = false;
        let mut batch = BATCH;
        loop {
            appended.mark_unchanged();
            let round = timeout(PATIENCE, self.round(batch)).await;
            // What a slow broker does not confirm in time would be sent again and again: it is sent less.
            batch = match &round {
                Ok(Ok(_)) => (batch * 2).min(BATCH),
                Ok(Err(_)) | Err(_) => (batch / 2).max(1),
            };
            match round.unwrap_or_else(|silence| Err(silence.into())) {
                Ok(outcome) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!("the feed takes events again");
                    }
                    backoff.reset();
                    match outcome {
                        Round::Advanced => {}
                        Round::HeldElsewhere => self.sleep(HELD_ELSEWHERE).await,
                        Round::CaughtUp => {
                            tokio::select! {
                                // Without a log there is nothing to wait for but the sweep.
                                Ok(()) = appended.changed() => {}
                                () = self.sleep(SWEEP) => {}
                            }
                        }
                    }
                }
                Err(error) => {
                    self.metrics.failures.inc();
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "the feed takes no events; they wait in the log");
                    }
                    tokio::time::sleep(backoff.next(&*self.entropy)).await;
                }
            }
        }
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(jittered(duration, &*self.entropy)).await;
    }

    /// Publishes one batch, unless there is nothing to publish or another process does it.
    async fn round(&self, batch: usize) -> Result<Round, StoreError> {
        let head = self.events.head().await?;
        let cursor = start(self.read_model.checkpoint(LANE).await?, head.epoch);
        self.note_distance(head.position - cursor);
        if cursor >= head.position {
            return Ok(Round::CaughtUp);
        }
        let Some(lane) = self.read_model.lock_lane(LANE).await? else {
            return Ok(Round::HeldElsewhere);
        };
        let cursor = start(lane.checkpoint(), head.epoch);
        let events = self.events.read_after(cursor, batch).await?;
        if events.is_empty() {
            // Another process was faster.
            return Ok(Round::CaughtUp);
        }
        let confirmed = self
            .feed
            .publish(self.messages(head.epoch, &events))
            .await?;
        let Some(last) = events[..confirmed.min(events.len())].last() else {
            return Err(Unconfirmed { sent: events.len() }.into());
        };
        let checkpoint = Checkpoint {
            epoch: head.epoch,
            position: last.position,
        };
        match lane.commit(Vec::new(), checkpoint).await {
            Ok(()) => {}
            // Consumers know what they have had.
            Err(CommitError::Overtaken) => return Ok(Round::HeldElsewhere),
            Err(CommitError::Unavailable(error)) => return Err(error),
        }
        self.metrics.published.inc_by(confirmed as u64);
        self.note_distance(head.position - last.position);
        Ok(Round::Advanced)
    }

    fn messages(&self, epoch: Uuid, events: &[RecordedEvent]) -> Vec<FeedMessage> {
        events
            .iter()
            .map(|event| message(epoch, event, self.names))
            .collect()
    }

    fn note_distance(&self, events: i64) {
        self.metrics.behind.set(events.max(0));
    }
}

/// A restored log has another epoch: what was published of the old one says nothing about it.
fn start(checkpoint: Checkpoint, epoch: Uuid) -> i64 {
    if checkpoint.epoch == epoch {
        checkpoint.position
    } else {
        0
    }
}
