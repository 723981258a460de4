//! Two different things: wake-ups (hints between processes) and the feed (every event, for consumers outside).

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::broadcast;

use crate::ports::event_store::StoreError;

/// Transient hints between the processes of one tenant. Losing one loses nothing but time.
#[async_trait]
pub trait WakeUps: Send + Sync {
    /// Tells every process, this one too. Best effort.
    async fn publish(&self, hint: Hint);

    /// Hints from now on.
    fn subscribe(&self) -> broadcast::Receiver<Hint>;
}

/// What one process tells the others.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", tag = "hint")]
pub enum Hint {
    /// The log has grown at least to this position.
    Appended { epoch: uuid::Uuid, position: i64 },
    /// A live, undurable notice, such as a revocation: whoever misses it finds out later.
    Notice { topic: String, body: String },
}

/// A message of the feed. Consumers deduplicate by `id`, which is `epoch:position`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedMessage {
    pub id: String,
    /// `<aggregate>.<event>`, for example `pirep.submitted`.
    pub routing_key: String,
    pub content_type: &'static str,
    pub body: Bytes,
}

/// Every event, in order, at least once.
#[async_trait]
pub trait Feed: Send + Sync {
    /// Publishes in order with a pipelined window of confirms; returns how many from the front are confirmed.
    /// What is not confirmed counts as unsent.
    async fn publish(&self, messages: Vec<FeedMessage>) -> Result<usize, StoreError>;
}
