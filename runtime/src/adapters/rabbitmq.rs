//! RabbitMQ: the feed of one tenant, in its own virtual host.

mod link;

use async_trait::async_trait;
use lapin::uri::AMQPUri;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::Mutex;

use crate::adapters::authority;
use crate::adapters::rabbitmq::link::{Link, QUEUE_LENGTH};
use crate::ports::event_bus::{Feed, FeedMessage};
use crate::ports::event_store::StoreError;

/// Publishes to the topic exchange `albatross.events`. Connects when there is something to publish, so that only
/// the process that relays has a connection; whatever fails is thrown away and built anew, topology included.
///
/// Consumers bind queues of their own. The durable quorum queue `albatross.events` takes every event as well and
/// keeps the last 100,000, so that there is always somebody who confirms. That it lets older ones go is told.
pub struct RabbitFeed {
    uri: AMQPUri,
    /// File of certificates in PEM, besides those that the system trusts.
    authority: Option<String>,
    link: Mutex<Option<Link>>,
    unread: Gauge,
}

impl RabbitFeed {
    /// `cacertfile=…` in the query names a file of who may have signed the broker's certificate.
    ///
    /// # Errors
    /// When `url` is not an `amqp://` or `amqps://` URL.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let mut uri: AMQPUri = url.parse()?;
        uri.query.heartbeat.get_or_insert(10);
        Ok(Self {
            uri,
            authority: authority::file(url, "cacertfile"),
            link: Mutex::new(None),
            unread: Gauge::default(),
        })
    }

    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.register(
            "albatross_feed_unread",
            "Events in the queue albatross.events; of more than 100,000 it lets the oldest go",
            self.unread.clone(),
        );
    }

    /// Says once that the queue is full, and again when it has been read meanwhile. None when the link is lost.
    async fn look(&self, link: Link) -> Option<Link> {
        let unread = match link.unread().await {
            Ok(unread) => unread,
            Err(error) => {
                tracing::debug!(%error, "the queue albatross.events cannot be looked at");
                return None;
            }
        };
        let before = self.unread.set(unread.into());
        if unread >= QUEUE_LENGTH && before < QUEUE_LENGTH.into() {
            tracing::warn!(
                unread,
                "nobody reads the queue albatross.events: it is full and lets the oldest events go; consumers' own \
                 queues and the log keep them"
            );
        }
        Some(link)
    }
}

#[async_trait]
impl Feed for RabbitFeed {
    /// Order holds for all that the broker confirms; after it refused one of a window, what followed may come twice.
    async fn publish(&self, messages: Vec<FeedMessage>) -> Result<usize, StoreError> {
        let mut slot = self.link.lock().await;
        let link = match slot.take().filter(Link::is_up) {
            Some(link) => link,
            None => {
                let authority = authority::read(self.authority.as_deref()).await?;
                Link::open(&self.uri, authority).await?
            }
        };
        let sent = link.send(messages).await;
        match sent.failure {
            None => *slot = self.look(link).await,
            Some(error) if sent.confirmed == 0 => return Err(error),
            Some(error) => tracing::warn!(%error, "the broker confirmed a part only"),
        }
        Ok(sent.confirmed)
    }
}
