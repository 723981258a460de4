//! Hints between a tenant's processes over Redis pub/sub, coalesced while one is on its way.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Mutex, broadcast, mpsc, watch};
use uuid::Uuid;

use crate::adapters::redis::connection::{Connection, Heard};
use crate::ports::clock::Entropy;
use crate::ports::event_bus::{Hint, WakeUps};

const CAPACITY: usize = 1_024;

/// Where the processes of a tenant talk.
pub fn channel(prefix: &str) -> String {
    format!("{prefix}wake-ups")
}

pub struct RedisWakeUps {
    connection: Arc<Connection>,
    channel: String,
    /// Tells this process's own messages, which it has delivered already, from the others'.
    sender: Uuid,
    hints: broadcast::Sender<Hint>,
    /// Only the latest position matters, so that it replaces one that still waits.
    appended: watch::Sender<Option<Hint>>,
    notices: mpsc::Sender<Hint>,
    outbox: Mutex<mpsc::Receiver<Hint>>,
}

#[derive(Serialize, Deserialize)]
struct Message {
    from: Uuid,
    #[serde(flatten)]
    hint: Hint,
}

impl RedisWakeUps {
    pub(super) fn new(connection: Arc<Connection>, prefix: &str, entropy: &dyn Entropy) -> Self {
        let mut sender = [0; 16];
        entropy.fill(&mut sender);
        let (notices, outbox) = mpsc::channel(CAPACITY);
        Self {
            connection,
            channel: channel(prefix),
            sender: Uuid::from_bytes(sender),
            hints: broadcast::Sender::new(CAPACITY),
            appended: watch::Sender::new(None),
            notices,
            outbox: Mutex::new(outbox),
        }
    }

    /// Sends and hears; ends with the connection. To be run once.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut heard = self.connection.listen();
        let mut appended = self.appended.subscribe();
        let mut outbox = self.outbox.lock().await;
        loop {
            tokio::select! {
                heard = heard.recv() => match heard {
                    // Others came back at the same moment and may have missed the last one.
                    Ok(Heard::Connected) => appended.mark_changed(),
                    Ok(Heard::Message { channel, payload }) if channel == self.channel => self.deliver(&payload),
                    Ok(Heard::Message { .. }) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                Ok(()) = appended.changed() => {
                    let latest = appended.borrow_and_update().clone();
                    if let Some(hint) = latest {
                        self.send(hint).await;
                    }
                }
                Some(notice) = outbox.recv() => self.send(notice).await,
            }
        }
    }

    fn deliver(&self, payload: &[u8]) {
        match serde_json::from_slice::<Message>(payload) {
            Ok(message) if message.from == self.sender => {}
            // Nobody listening is no failure: a hint is for whoever happens to be there.
            Ok(message) => drop(self.hints.send(message.hint)),
            Err(error) => tracing::debug!(%error, "a wake-up of another version is not understood"),
        }
    }

    async fn send(&self, hint: Hint) {
        let message = Message {
            from: self.sender,
            hint,
        };
        match serde_json::to_vec(&message) {
            Ok(message) => {
                let channel = &self.channel;
                let _: Option<i64> = self
                    .connection
                    .ask(|mut connection| async move {
                        redis::cmd("PUBLISH")
                            .arg(channel)
                            .arg(message)
                            .query_async(&mut connection)
                            .await
                    })
                    .await;
            }
            Err(error) => tracing::warn!(%error, "a wake-up cannot be written as JSON"),
        }
    }
}

#[async_trait]
impl WakeUps for RedisWakeUps {
    async fn publish(&self, hint: Hint) {
        // Nobody listening is no failure: a hint is for whoever happens to be there.
        let _ = self.hints.send(hint.clone());
        match hint {
            Hint::Appended { .. } => {
                self.appended
                    .send_if_modified(|latest| replace(latest, hint));
            }
            Hint::Notice { .. } => {
                if self.notices.try_send(hint).is_err() {
                    tracing::debug!("a live notice was dropped: Redis does not keep up");
                }
            }
        }
    }

    fn subscribe(&self) -> broadcast::Receiver<Hint> {
        self.hints.subscribe()
    }
}

/// Whether `hint` says more than `latest`: a later position, or another epoch.
fn replace(latest: &mut Option<Hint>, hint: Hint) -> bool {
    if let (
        Some(Hint::Appended { epoch, position }),
        Hint::Appended {
            epoch: new_epoch,
            position: new_position,
        },
    ) = (&*latest, &hint)
        && epoch == new_epoch
        && position >= new_position
    {
        return false;
    }
    *latest = Some(hint);
    true
}
