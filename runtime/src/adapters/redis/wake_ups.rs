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

#[derive(Debug, Serialize, Deserialize)]
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
                    tracing::warn!(
                        "a notice, such as a revocation, is told to no other process: Redis does not keep up"
                    );
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn messages() -> impl Strategy<Value = Message> {
        let appended = (any::<[u8; 16]>(), any::<i64>()).prop_map(|(epoch, position)| {
            let epoch = Uuid::from_bytes(epoch);
            Hint::Appended { epoch, position }
        });
        let notice = any::<(String, String)>();
        let notice = notice.prop_map(|(topic, body)| Hint::Notice { topic, body });
        let from = any::<[u8; 16]>().prop_map(Uuid::from_bytes);
        (from, prop_oneof![appended, notice]).prop_map(|(from, hint)| Message { from, hint })
    }

    fn read(payload: &[u8]) -> Option<(Uuid, Hint)> {
        let message = serde_json::from_slice::<Message>(payload).ok()?;
        Some((message.from, message.hint))
    }

    proptest! {
        #[test]
        fn a_message_is_read_as_it_was_sent(message in messages()) {
            let payload = serde_json::to_vec(&message).unwrap();
            prop_assert_eq!(read(&payload), Some((message.from, message.hint)));
        }

        #[test]
        fn whatever_comes_instead_is_understood_or_left(
            payload in any::<Vec<u8>>(), message in messages(),
            (at, byte) in (any::<prop::sample::Index>(), any::<u8>()),
        ) {
            prop_assert_eq!(read(&payload), None);
            let mut damaged = serde_json::to_vec(&message).unwrap();
            let at = at.index(damaged.len());
            damaged[at] = byte;
            read(&damaged);
            prop_assert_eq!(read(&damaged[..at]), None);
        }
    }
}
