//! Tells the tenant's other processes that the log has grown, and this one when another said so.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ports::event_bus::{Hint, WakeUps};
use crate::ports::event_store::EventStore;

/// Hints are worth no longer wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs until `stop`. Best effort: whoever misses a hint finds the events by its own sweep.
pub async fn run(
    events: Arc<dyn EventStore>,
    wake_ups: Arc<dyn WakeUps>,
    stop: &CancellationToken,
) {
    stop.run_until_cancelled(run_forever(events, wake_ups))
        .await;
}

async fn run_forever(events: Arc<dyn EventStore>, wake_ups: Arc<dyn WakeUps>) {
    let mut appended = events.appended();
    let mut hints = wake_ups.subscribe();
    let mut pump = Pump {
        known: 0,
        epoch: None,
        events,
        wake_ups,
    };
    loop {
        tokio::select! {
            Ok(()) = appended.changed() => {
                let position = *appended.borrow_and_update();
                pump.tell(position).await;
            }
            hint = hints.recv() => match hint {
                Ok(Hint::Appended { epoch, position }) => pump.hear(epoch, position).await,
                Ok(Hint::Notice { .. }) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
    }
}

struct Pump {
    events: Arc<dyn EventStore>,
    wake_ups: Arc<dyn WakeUps>,
    /// The highest position that was told or heard: each is told by the process that appended it, once.
    known: i64,
    epoch: Option<Uuid>,
}

impl Pump {
    async fn tell(&mut self, position: i64) {
        if position > self.known
            && let Some(epoch) = self.epoch().await
        {
            self.known = position;
            self.wake_ups
                .publish(Hint::Appended { epoch, position })
                .await;
        }
    }

    /// A hint of another epoch is about a log that this process does not read.
    async fn hear(&mut self, epoch: Uuid, position: i64) {
        if position > self.known && self.epoch().await == Some(epoch) {
            self.known = position;
            self.events.hint(position);
        }
    }

    async fn epoch(&mut self) -> Option<Uuid> {
        if self.epoch.is_none() {
            let head = timeout(PATIENCE, self.events.head()).await;
            match head.unwrap_or_else(|silence| Err(silence.into())) {
                Ok(head) => self.epoch = Some(head.epoch),
                Err(error) => tracing::debug!(%error, "a wake-up is dropped: the log is away"),
            }
        }
        self.epoch
    }
}
