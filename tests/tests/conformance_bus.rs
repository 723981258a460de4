//! What wake-ups and feed promise, held by the ones in memory and by Redis and RabbitMQ alike.

#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::sync::Arc;

use albatross::adapters::memory::{MemoryFeed, MemoryWakeUps};
use albatross::adapters::rabbitmq::RabbitFeed;
use albatross::adapters::redis::Redis;
use albatross::ports::event_bus::{Feed, FeedMessage, Hint, WakeUps};
use albatross_tests::feed::{
    EVENTS, assert_in_order, bind_own_queue, connect, position, read_own_queue,
};
use albatross_tests::proxy::{Mode, Proxy};
use albatross_tests::random::{Random, supervisor};
use albatross_tests::servers::{RedisUser, VirtualHost, servers};
use albatross_tests::wait::{recovered, within};
use futures::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ConnectionProperties, Consumer};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use rstest::rstest;
use tokio::sync::broadcast;
use uuid::Uuid;

const EPOCH: Uuid = Uuid::from_u128(1);

fn appended(position: i64) -> Hint {
    Hint::Appended {
        epoch: EPOCH,
        position,
    }
}

fn notice(number: usize) -> Hint {
    Hint::Notice {
        topic: "flight".to_owned(),
        body: number.to_string(),
    }
}

/// The same wake-ups as two processes see them; in memory there is one.
struct Processes {
    one: Arc<dyn WakeUps>,
    other: Arc<dyn WakeUps>,
    _connections: Vec<Redis>,
}

async fn memory() -> Processes {
    let wake_ups = Arc::new(MemoryWakeUps::new());
    Processes {
        one: wake_ups.clone(),
        other: wake_ups,
        _connections: Vec::new(),
    }
}

async fn redis() -> Processes {
    let user = servers().await.redis_user().await;
    let (one, other) = (
        redis_at(&user, &user.url).await,
        redis_at(&user, &user.url).await,
    );
    Processes {
        one: one.wake_ups.clone(),
        other: other.wake_ups.clone(),
        _connections: vec![one, other],
    }
}

async fn redis_at(user: &RedisUser, url: &str) -> Redis {
    let redis = Redis::open(url, &user.prefix, Arc::new(Random), &supervisor()).unwrap();
    redis.connected().await;
    redis
}

async fn hear(hints: &mut broadcast::Receiver<Hint>) -> Hint {
    within("a hint", hints.recv()).await.unwrap()
}

#[rstest]
#[case::memory(memory())]
#[case::redis(redis())]
#[tokio::test]
async fn every_process_hears_a_hint_once_and_the_sender_too(
    #[future(awt)]
    #[case]
    processes: Processes,
) {
    let (mut here, mut there) = (processes.one.subscribe(), processes.other.subscribe());
    processes.one.publish(appended(7)).await;
    processes.one.publish(notice(1)).await;
    assert_eq!(
        [hear(&mut here).await, hear(&mut here).await],
        [appended(7), notice(1)]
    );
    let mut heard = vec![hear(&mut there).await, hear(&mut there).await];
    heard.sort_by_key(|hint| *hint == notice(1));
    assert_eq!(heard, [appended(7), notice(1)]);
    // An echo of its own would have come before this, which the other process sends later.
    processes.other.publish(notice(2)).await;
    assert_eq!(hear(&mut here).await, notice(2));
    assert_eq!(hear(&mut there).await, notice(2));
}

#[rstest]
#[case::memory(memory())]
#[case::redis(redis())]
#[tokio::test]
async fn of_many_positions_the_last_is_heard(
    #[future(awt)]
    #[case]
    processes: Processes,
) {
    let mut there = processes.other.subscribe();
    for position in 1..=1_000 {
        processes.one.publish(appended(position)).await;
    }
    let mut last = 0;
    while last < 1_000 {
        if let Hint::Appended { position, .. } = hear(&mut there).await {
            assert!(position > last, "{position} after {last}");
            last = position;
        }
    }
}

#[rstest]
#[case::memory(memory())]
#[case::redis(redis())]
#[tokio::test]
async fn notices_keep_their_order(
    #[future(awt)]
    #[case]
    processes: Processes,
) {
    let mut there = processes.other.subscribe();
    for number in 0..100 {
        processes.one.publish(notice(number)).await;
    }
    for number in 0..100 {
        assert_eq!(hear(&mut there).await, notice(number));
    }
}

#[rstest]
#[case::closed(Mode::Refuse)]
#[case::partitioned(Mode::Stall)]
#[tokio::test]
async fn the_last_position_is_told_again_when_redis_is_back(#[case] mode: Mode) {
    let user = servers().await.redis_user().await;
    let proxy = Proxy::before(&user.url).await;
    let through = redis_at(&user, &proxy.url(&user.url)).await;
    let direct = redis_at(&user, &user.url).await;
    let mut here = through.wake_ups.subscribe();
    let mut there = direct.wake_ups.subscribe();
    proxy.set(mode);
    for position in 1..=5 {
        through.wake_ups.publish(appended(position)).await;
        assert_eq!(
            hear(&mut here).await,
            appended(position),
            "in the process itself"
        );
    }
    proxy.set(Mode::Pass);
    while hear(&mut there).await != appended(5) {}
}

/// Reads what a feed publishes, as an outside consumer would.
enum Listener {
    Memory(broadcast::Receiver<FeedMessage>),
    Rabbit {
        consumer: Box<Consumer>,
        connection: Box<Connection>,
    },
}

impl Listener {
    /// The next message's id and routing key.
    async fn next(&mut self) -> (String, String) {
        match self {
            Self::Memory(messages) => {
                let message = within("a message", messages.recv()).await.unwrap();
                (message.id, message.routing_key)
            }
            Self::Rabbit { consumer, .. } => {
                let delivery = within("a message", consumer.next()).await.unwrap().unwrap();
                delivery.ack(BasicAckOptions::default()).await.unwrap();
                let id = delivery.properties.message_id().clone().unwrap();
                (id.to_string(), delivery.routing_key.to_string())
            }
        }
    }
}

async fn memory_feed() -> (Arc<dyn Feed>, Listener) {
    let feed = MemoryFeed::new();
    let messages = feed.subscribe();
    (Arc::new(feed), Listener::Memory(messages))
}

async fn rabbit_feed() -> (Arc<dyn Feed>, Listener) {
    let host = servers().await.virtual_host().await;
    let feed = RabbitFeed::new(&host.url).unwrap();
    publish_all(&feed, 0..1).await;
    let listener = listen(&host, "listener").await;
    (Arc::new(feed), listener)
}

/// A durable quorum queue of the consumer's own, bound to every event.
async fn listen(host: &VirtualHost, queue: &str) -> Listener {
    let connection = Connection::connect(&host.url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut quorum = FieldTable::default();
    quorum.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    channel
        .queue_declare(queue.into(), QueueDeclareOptions::durable(), quorum)
        .await
        .unwrap();
    channel
        .queue_bind(
            queue.into(),
            "albatross.events".into(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    let consumer = channel
        .basic_consume(
            queue.into(),
            "test".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    Listener::Rabbit {
        consumer: Box::new(consumer),
        connection: Box::new(connection),
    }
}

fn message(position: usize) -> FeedMessage {
    FeedMessage {
        id: format!("{EPOCH}:{position}"),
        routing_key: "pirep.submitted".to_owned(),
        content_type: "application/json",
        body: "{}".into(),
    }
}

fn messages(positions: std::ops::Range<usize>) -> Vec<FeedMessage> {
    positions.map(message).collect()
}

#[rstest]
#[case::memory(memory_feed())]
#[case::rabbitmq(rabbit_feed())]
#[tokio::test]
async fn what_is_confirmed_arrives_in_order(
    #[future(awt)]
    #[case]
    published: (Arc<dyn Feed>, Listener),
) {
    let (feed, mut listener) = published;
    assert_eq!(feed.publish(messages(1..1)).await.unwrap(), 0);
    assert_eq!(feed.publish(messages(1..601)).await.unwrap(), 600);
    for position in 1..601 {
        let expected = (message(position).id, "pirep.submitted".to_owned());
        assert_eq!(listener.next().await, expected);
    }
}

#[tokio::test]
async fn a_consumer_chooses_by_routing_key_and_the_rest_still_counts_as_published() {
    let host = servers().await.virtual_host().await;
    let feed = RabbitFeed::new(&host.url).unwrap();
    publish_all(&feed, 0..1).await;
    let nobody_bound = feed.publish(messages(1..10)).await.unwrap();
    assert_eq!(nobody_bound, 9);
}

#[tokio::test]
async fn what_nobody_reads_is_let_go_from_the_front_and_holds_up_nothing() {
    const KEPT: usize = 100_000;
    let host = servers().await.virtual_host().await;
    bind_own_queue(&host.url).await;
    let feed = RabbitFeed::new(&host.url).unwrap();
    let mut registry = Registry::default();
    feed.register_metrics(&mut registry);
    for first in (0..KEPT).step_by(KEPT / 10) {
        publish_all(&feed, first..first + KEPT / 10).await;
    }
    publish_all(&feed, KEPT..KEPT + 5).await;
    let mut metrics = String::new();
    encode(&mut metrics, &registry).unwrap();
    let told = format!("albatross_feed_unread {KEPT}\n");
    assert!(metrics.contains(&told), "{metrics}");
    let (_connection, channel) = connect(&host.url).await;
    let first = channel.basic_get(EVENTS.into(), BasicGetOptions::default());
    let first = first.await.unwrap().unwrap();
    // What is sent twice takes a place too.
    let first = position(&first.delivery);
    assert!(first >= 5, "{first} of {KEPT} that are kept");
    let last = KEPT as i64 + 4;
    let own = read_own_queue(&host.url, last).await;
    assert_in_order(&own, 0, last);
}

/// Publishes from a cursor as the relay does, through whatever happens.
async fn publish_all(feed: &RabbitFeed, positions: std::ops::Range<usize>) {
    let mut cursor = positions.start;
    recovered("everything is confirmed", async || {
        let end = positions.end.min(cursor + 500);
        cursor += feed.publish(messages(cursor..end)).await.unwrap_or(0);
        cursor == positions.end
    })
    .await;
}

/// Each message's first arrival is in order; what comes again has been seen before.
async fn expect_all(listener: &mut Listener, positions: std::ops::Range<usize>) {
    let mut next = positions.start;
    while next < positions.end {
        let (id, _) = listener.next().await;
        let position: usize = id.rsplit(':').next().unwrap().parse().unwrap();
        assert!(position <= next, "{next} was skipped: {position} came");
        next = next.max(position + 1);
    }
}

#[tokio::test]
async fn connections_that_the_broker_closes_lose_nothing() {
    let host = servers().await.virtual_host().await;
    let feed = RabbitFeed::new(&host.url).unwrap();
    publish_all(&feed, 0..1).await;
    // Closed to its end: what it was sent, and never confirmed, would come after the others.
    let Listener::Rabbit { connection, .. } = listen(&host, "listener").await else {
        unreachable!("a broker's listener");
    };
    connection.close(0, "".into()).await.unwrap();
    for first in [1, 101, 201] {
        publish_all(&feed, first..first + 50).await;
        recovered("the broker has closed a connection", async || {
            host.close_connections().await.unwrap() > 0
        })
        .await;
        publish_all(&feed, first + 50..first + 100).await;
    }
    let mut listener = listen(&host, "listener").await;
    expect_all(&mut listener, 1..301).await;
}

#[rstest]
#[case::closed(Mode::Refuse)]
#[case::partitioned(Mode::Stall)]
#[tokio::test]
async fn while_the_broker_is_away_publishing_fails_and_then_goes_on_where_it_was(
    #[case] mode: Mode,
) {
    let host = servers().await.virtual_host().await;
    let proxy = Proxy::before(&host.url).await;
    let feed = RabbitFeed::new(&proxy.url(&host.url)).unwrap();
    publish_all(&feed, 0..1).await;
    let mut listener = listen(&host, "listener").await;
    publish_all(&feed, 1..50).await;
    proxy.set(mode);
    let away = feed.publish(messages(50..60)).await;
    assert!(away.is_err(), "{away:?} without a broker");
    proxy.set(Mode::Pass);
    publish_all(&feed, 50..60).await;
    expect_all(&mut listener, 1..60).await;
}

#[tokio::test]
async fn a_topology_that_somebody_deleted_is_made_again() {
    let host = servers().await.virtual_host().await;
    let feed = RabbitFeed::new(&host.url).unwrap();
    publish_all(&feed, 0..1).await;
    let connection = Connection::connect(&host.url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel
        .queue_delete("albatross.events".into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    let unroutable = feed.publish(messages(1..2)).await;
    assert!(
        unroutable.is_err(),
        "{unroutable:?}: nobody keeps the message"
    );
    publish_all(&feed, 1..2).await;
}
