//! Tells the tenant's other processes that the log has grown, and this one when another said so.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::ports::event_bus::{Hint, WakeUps};
use crate::ports::event_store::{EventStore, Head};

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
        known: Head::default(),
        present: appended.clone(),
        events,
        wake_ups,
    };
    loop {
        tokio::select! {
            Ok(()) = appended.changed() => {
                let head = *appended.borrow_and_update();
                pump.tell(head).await;
            }
            hint = hints.recv() => match hint {
                Ok(Hint::Appended { epoch, position }) => pump.hear(Head { epoch, position }).await,
                Ok(Hint::Notice { .. }) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
    }
}

struct Pump {
    /// The highest position that was told or heard: each is told by the process that appended it, once.
    known: Head,
    present: watch::Receiver<Head>,
    events: Arc<dyn EventStore>,
    wake_ups: Arc<dyn WakeUps>,
}

impl Pump {
    async fn tell(&mut self, head: Head) {
        if self.is_news(head) {
            self.known = head;
            let Head { epoch, position } = head;
            self.wake_ups
                .publish(Hint::Appended { epoch, position })
                .await;
        }
    }

    /// Of another epoch, it is about a log that this process does not read, or about its own that was restored.
    async fn hear(&mut self, head: Head) {
        if self.epoch_is_present(head).await && self.is_news(head) {
            self.known = head;
            self.events.hint(head.position);
        }
    }

    fn is_news(&self, head: Head) -> bool {
        head.epoch != self.known.epoch || head.position > self.known.position
    }

    async fn epoch_is_present(&self, head: Head) -> bool {
        if self.present.borrow().epoch == head.epoch {
            return true;
        }
        let present = timeout(PATIENCE, self.events.head()).await;
        match present.unwrap_or_else(|silence| Err(silence.into())) {
            Ok(present) => present.epoch == head.epoch,
            Err(error) => {
                tracing::debug!(%error, "a wake-up is dropped: the log is away");
                false
            }
        }
    }
}
