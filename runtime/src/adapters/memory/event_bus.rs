//! The bus within one process: hints to its own readers, the feed to whoever listens in.

use async_trait::async_trait;
use tokio::sync::broadcast;

use crate::ports::event_bus::{Feed, FeedMessage, Hint, WakeUps};
use crate::ports::event_store::StoreError;

const CAPACITY: usize = 1_024;

/// Hints for a tenant that has one process only.
pub struct MemoryWakeUps {
    hints: broadcast::Sender<Hint>,
}

impl MemoryWakeUps {
    pub fn new() -> Self {
        Self {
            hints: broadcast::Sender::new(CAPACITY),
        }
    }
}

impl Default for MemoryWakeUps {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl WakeUps for MemoryWakeUps {
    async fn publish(&self, hint: Hint) {
        // Nobody listening is no failure: a hint is for whoever happens to be there.
        let _ = self.hints.send(hint);
    }

    fn subscribe(&self) -> broadcast::Receiver<Hint> {
        self.hints.subscribe()
    }
}

/// Keeps nothing: each message goes to those who subscribed before.
pub struct MemoryFeed {
    messages: broadcast::Sender<FeedMessage>,
}

impl MemoryFeed {
    pub fn new() -> Self {
        Self {
            messages: broadcast::Sender::new(CAPACITY),
        }
    }

    pub fn subscribe(&self) -> broadcast::Receiver<FeedMessage> {
        self.messages.subscribe()
    }
}

impl Default for MemoryFeed {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Feed for MemoryFeed {
    async fn publish(&self, messages: Vec<FeedMessage>) -> Result<usize, StoreError> {
        let count = messages.len();
        for message in messages {
            // As with hints, nobody has to listen.
            let _ = self.messages.send(message);
        }
        Ok(count)
    }
}
