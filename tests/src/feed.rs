//! A consumer outside with a queue of its own, which takes every event from the moment on that it is bound.

use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};

use crate::wait::within;

/// The exchange, and the queue that comes with it.
pub const EVENTS: &str = "albatross.events";
const OWN: &str = "consumer";

/// # Panics
/// When the broker is away.
pub async fn connect(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await;
    let connection = connection.expect("a connection");
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
}

/// Makes the queue, and the exchange if nothing has been published yet.
///
/// # Panics
/// When the broker is away.
pub async fn bind_own_queue(url: &str) {
    let (_connection, channel) = connect(url).await;
    let (kind, none) = (ExchangeKind::Topic, FieldTable::default);
    let exchange = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let declared = channel.exchange_declare(EVENTS.into(), kind, exchange, none());
    declared.await.expect("an exchange");
    let mut quorum = none();
    let kind = AMQPValue::LongString("quorum".into());
    quorum.insert("x-queue-type".into(), kind);
    let declared = channel.queue_declare(OWN.into(), QueueDeclareOptions::durable(), quorum);
    declared.await.expect("a queue");
    let options = QueueBindOptions::default();
    let bound = channel.queue_bind(OWN.into(), EVENTS.into(), "#".into(), options, none());
    bound.await.expect("a binding");
}

/// Takes what is in the queue, up to the event at `last`; their positions, as they came.
///
/// # Panics
/// When that one does not come.
pub async fn read_own_queue(url: &str, last: i64) -> Vec<i64> {
    let (_connection, channel) = connect(url).await;
    let mut messages = consume(&channel).await;
    let mut positions = Vec::new();
    while positions.last() != Some(&last) {
        let message = within("a message", messages.next()).await;
        positions.push(position(&message.expect("a message").expect("a message")));
    }
    positions
}

async fn consume(channel: &Channel) -> Consumer {
    let acknowledged = BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    };
    let consumer = channel.basic_consume(
        OWN.into(),
        "test".into(),
        acknowledged,
        FieldTable::default(),
    );
    consumer.await.expect("a consumer")
}

/// From the message's id, `epoch:position`.
///
/// # Panics
/// When it is none of the feed's.
pub fn position(message: &Delivery) -> i64 {
    let id = message.properties.message_id().as_ref().expect("an id");
    let (_, position) = id.as_str().split_once(':').expect("epoch and position");
    position.parse().expect("a number")
}

/// Each of `first..=last` is first seen behind the one before it, and none is missing.
///
/// # Panics
/// When one is.
pub fn assert_in_order(positions: &[i64], first: i64, last: i64) {
    let mut next = first;
    for position in positions {
        assert!(*position <= next, "{next} was skipped: {position} came");
        next = next.max(position + 1);
    }
    assert_eq!(next, last + 1, "the feed ends before the log");
}
