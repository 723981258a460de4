//! A connection, its channel with confirms, and the topology that both are for.

use std::collections::VecDeque;
use std::time::Duration;

use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::runtime::default_runtime;
use lapin::tcp::OwnedTLSConfig;
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::AMQPUri;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind,
    PublisherConfirm,
};
use tokio::time::timeout;

use crate::ports::event_bus::FeedMessage;
use crate::ports::event_store::StoreError;

/// The exchange, and the queue that takes all of it.
const EVENTS: &str = "albatross.events";
pub const QUEUE_LENGTH: u32 = 100_000;
const PERSISTENT: u8 = 2;
/// Messages on their way without a confirm.
const WINDOW: usize = 256;
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// For handing one message over, and for the broker's word on it.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);

pub struct Link {
    channel: Channel,
    /// Closes when dropped.
    connection: Connection,
}

/// What became of a batch: this many from the front are safe, and why no more.
pub struct Sent {
    pub confirmed: usize,
    pub failure: Option<StoreError>,
}

#[derive(Debug, thiserror::Error)]
enum Unconfirmed {
    #[error("the broker refused a message")]
    Refused,
    #[error("the broker had no queue for a message")]
    Returned,
    #[error("the broker does not confirm")]
    NotRequested,
}

impl Link {
    pub async fn open(uri: &AMQPUri, authority: Option<String>) -> Result<Self, StoreError> {
        timeout(OPEN_TIMEOUT, Self::open_without_limit(uri, authority)).await?
    }

    async fn open_without_limit(
        uri: &AMQPUri,
        authority: Option<String>,
    ) -> Result<Self, StoreError> {
        let properties =
            ConnectionProperties::default().with_connection_name("albatross relay".into());
        let tls = OwnedTLSConfig {
            identity: None,
            cert_chain: authority,
        };
        let (uri, runtime) = (uri.clone(), default_runtime()?);
        let connection = Connection::connect_uri_with_config(uri, properties, tls, runtime).await?;
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        declare_topology(&channel).await?;
        Ok(Self {
            channel,
            connection,
        })
    }

    pub fn is_up(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// How many events wait in the queue that takes all of them.
    pub async fn unread(&self) -> Result<u32, StoreError> {
        let look = QueueDeclareOptions::durable().passive();
        let queue = self
            .channel
            .queue_declare(EVENTS.into(), look, FieldTable::default());
        Ok(timeout(PUBLISH_TIMEOUT, queue).await??.message_count())
    }

    pub async fn send(&self, messages: Vec<FeedMessage>) -> Sent {
        let mut confirmed = 0;
        let failure = self.send_counting(messages, &mut confirmed).await.err();
        Sent { confirmed, failure }
    }

    async fn send_counting(
        &self,
        messages: Vec<FeedMessage>,
        confirmed: &mut usize,
    ) -> Result<(), StoreError> {
        let mut window = VecDeque::with_capacity(WINDOW.min(messages.len()));
        for message in messages {
            if window.len() == WINDOW
                && let Some(oldest) = window.pop_front()
            {
                settle(oldest).await?;
                *confirmed += 1;
            }
            window.push_back(timeout(PUBLISH_TIMEOUT, self.publish(message)).await??);
        }
        for confirm in window {
            settle(confirm).await?;
            *confirmed += 1;
        }
        Ok(())
    }

    async fn publish(&self, message: FeedMessage) -> lapin::Result<PublisherConfirm> {
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type(message.content_type.into())
            .with_message_id(message.id.into());
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        self.channel
            .basic_publish(
                EVENTS.into(),
                message.routing_key.into(),
                options,
                &message.body,
                properties,
            )
            .await
    }
}

/// Only a confirm without a returned message says that the broker keeps it.
async fn settle(confirm: PublisherConfirm) -> Result<(), StoreError> {
    match timeout(PUBLISH_TIMEOUT, confirm).await?? {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(_)) => Err(Unconfirmed::Returned.into()),
        Confirmation::Nack(_) => Err(Unconfirmed::Refused.into()),
        Confirmation::NotRequested => Err(Unconfirmed::NotRequested.into()),
    }
}

async fn declare_topology(channel: &Channel) -> lapin::Result<()> {
    let exchange = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    channel
        .exchange_declare(
            EVENTS.into(),
            ExchangeKind::Topic,
            exchange,
            FieldTable::default(),
        )
        .await?;
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    arguments.insert("x-max-length".into(), i64::from(QUEUE_LENGTH).into());
    arguments.insert(
        "x-overflow".into(),
        AMQPValue::LongString("drop-head".into()),
    );
    channel
        .queue_declare(EVENTS.into(), QueueDeclareOptions::durable(), arguments)
        .await?;
    channel
        .queue_bind(
            EVENTS.into(),
            EVENTS.into(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
}
