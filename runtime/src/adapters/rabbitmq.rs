//! RabbitMQ: the feed of one tenant, in its own virtual host.

mod link;

use async_trait::async_trait;
use lapin::uri::AMQPUri;
use tokio::sync::Mutex;

use crate::adapters::rabbitmq::link::Link;
use crate::ports::event_bus::{Feed, FeedMessage};
use crate::ports::event_store::StoreError;

/// Publishes to the topic exchange `albatross.events`. Connects when there is something to publish, so that only
/// the process that relays has a connection; whatever fails is thrown away and built anew, topology included.
///
/// Consumers bind queues of their own. The durable quorum queue `albatross.events` takes every event as well and
/// keeps the last 100,000, so that there is always somebody who confirms.
pub struct RabbitFeed {
    uri: AMQPUri,
    link: Mutex<Option<Link>>,
}

impl RabbitFeed {
    /// # Errors
    /// When `url` is not an `amqp://` or `amqps://` URL.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let mut uri: AMQPUri = url.parse()?;
        uri.query.heartbeat.get_or_insert(10);
        Ok(Self {
            uri,
            link: Mutex::new(None),
        })
    }
}

#[async_trait]
impl Feed for RabbitFeed {
    /// Order holds for all that the broker confirms; after it refused one of a window, what followed may come twice.
    async fn publish(&self, messages: Vec<FeedMessage>) -> Result<usize, StoreError> {
        let mut slot = self.link.lock().await;
        let link = match slot.take().filter(Link::is_up) {
            Some(link) => link,
            None => Link::open(&self.uri).await?,
        };
        let sent = link.send(messages).await;
        match sent.failure {
            None => *slot = Some(link),
            Some(error) if sent.confirmed == 0 => return Err(error),
            Some(error) => tracing::warn!(%error, "the broker confirmed a part only"),
        }
        Ok(sent.confirmed)
    }
}
