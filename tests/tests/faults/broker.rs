//! RabbitMQ goes away under load: the API keeps accepting, and the feed is complete and in order afterwards.

use albatross::adapters::Stores;
use albatross::application::relay::LANE;
use albatross_tests::proxy::Mode;
use albatross_tests::servers::{PrivateServer, VirtualHost, servers};
use albatross_tests::wait::recovered;
use lapin::options::{BasicGetOptions, ExchangeDeleteOptions, QueueDeleteOptions};
use lapin::{Channel, Connection, ConnectionProperties};
use rstest::rstest;

use crate::site::*;

const BEFORE: usize = 20;
const MEANWHILE: usize = 150;

#[rstest]
#[case::away(AWAY)]
#[case::partitioned(PARTITIONED)]
#[case::unanswered(UNANSWERED)]
#[case::half_open(Fault::HalfOpen)]
#[case::slow(SLOW)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_becomes_of_the_broker_the_feed_is_complete(#[case] fault: Fault) {
    let site = Site::new().await;
    let behind = site.replica().await;
    let pilot = behind.replica.pilot("amelia").await.unwrap();
    behind.file(&pilot, BEFORE).await;
    published(&behind.stores).await;
    let connections = behind.rabbitmq.accepted();

    fault.begin(&behind.rabbitmq);
    behind.file(&pilot, MEANWHILE).await;
    if !matches!(fault, SLOW) {
        recovered("the relay has given its connection up", async || {
            behind.rabbitmq.accepted() > connections
        })
        .await;
    }
    if matches!(fault, AWAY | PARTITIONED) {
        let (reached, head) = distance(&behind.stores).await;
        assert!(reached < head, "published through a broker that is away");
    }
    behind.rabbitmq.set(Mode::Pass);
    behind.file(&pilot, BEFORE).await;
    published(&behind.stores).await;
    assert_feed_is_complete(&site.host, &behind.stores).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_broker_that_is_stopped_and_killed_has_lost_nothing_that_it_confirmed() {
    let broker = PrivateServer::rabbitmq().await;
    let servers = servers().await;
    let (database, redis) = (servers.database().await, servers.redis_user().await);
    let site = Site::of(database, broker.virtual_host().await, redis).await;
    let behind = site.replica().await;
    let pilot = behind.replica.pilot("amelia").await.unwrap();
    behind.file(&pilot, BEFORE).await;
    published(&behind.stores).await;

    // RabbitMQ 3.10 writes the name of a new quorum queue down minutes later, or when it is told to stop.
    tokio::task::block_in_place(|| {
        broker.stop();
        broker.restart();
    });
    behind.file(&pilot, BEFORE).await;
    published(&behind.stores).await;

    // Killed while messages are on their way.
    let (_, ()) = tokio::join!(behind.file(&pilot, MEANWHILE), async {
        let (reached, _) = distance(&behind.stores).await;
        recovered("the load is being published", async || {
            distance(&behind.stores).await.0 > reached
        })
        .await;
        broker.kill();
    });
    let (reached, head) = distance(&behind.stores).await;
    assert!(reached < head, "published through a broker that is dead");
    tokio::task::block_in_place(|| broker.restart());
    behind.file(&pilot, BEFORE).await;
    published(&behind.stores).await;
    assert_feed_is_complete(&site.host, &behind.stores).await;
}

/// What the supervisor declares is there again: whoever deletes it loses what it held, and nothing that comes later.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_topology_that_somebody_deletes_under_load_is_made_again() {
    let site = Site::new().await;
    let behind = site.replica().await;
    let pilot = behind.replica.pilot("amelia").await.unwrap();
    behind.file(&pilot, BEFORE).await;
    published(&behind.stores).await;
    let connection = connect(&site.host).await;
    let channel = connection.create_channel().await.unwrap();
    let name = || "albatross.events".into();
    channel
        .exchange_delete(name(), ExchangeDeleteOptions::default())
        .await
        .unwrap();
    behind.file(&pilot, BEFORE).await;
    published(&behind.stores).await;
    assert_feed_is_complete(&site.host, &behind.stores).await;

    channel
        .queue_delete(name(), QueueDeleteOptions::default())
        .await
        .unwrap();
    let (reached, _) = distance(&behind.stores).await;
    behind.file(&pilot, BEFORE).await;
    published(&behind.stores).await;
    let positions = drain(&site.host, &behind.stores).await;
    assert_in_order(&positions, reached, distance(&behind.stores).await.1);
}

/// How far the relay has come, and how long the log is.
async fn distance(stores: &Stores) -> (i64, i64) {
    let reached = stores.read_model.checkpoint(LANE).await.unwrap().position;
    (reached, stores.events.head().await.unwrap().position)
}

async fn published(stores: &Stores) {
    recovered("everything is published", async || {
        let (reached, head) = distance(stores).await;
        reached == head
    })
    .await;
}

async fn connect(host: &VirtualHost) -> Connection {
    let properties = ConnectionProperties::default();
    Connection::connect(&host.url, properties).await.unwrap()
}

/// What every consumer finds that deduplicates by message id.
async fn assert_feed_is_complete(host: &VirtualHost, stores: &Stores) {
    let positions = drain(host, stores).await;
    println!("{} messages", positions.len());
    assert_in_order(&positions, 0, distance(stores).await.1);
    // What was read is read: the next look begins where this one ended.
    assert!(drain(host, stores).await.is_empty());
}

/// Each is first seen behind the one before it, and none is missing.
fn assert_in_order(positions: &[i64], after: i64, last: i64) {
    let mut next = after + 1;
    for position in positions {
        assert!(*position <= next, "{next} was skipped: {position} came");
        next = next.max(position + 1);
    }
    assert_eq!(next, last + 1, "the feed ends before the log");
}

/// The positions in the queue, taken from message ids of this log's epoch.
async fn drain(host: &VirtualHost, stores: &Stores) -> Vec<i64> {
    let epoch = stores.events.head().await.unwrap().epoch.to_string();
    let connection = connect(host).await;
    let channel: Channel = connection.create_channel().await.unwrap();
    let acknowledged = BasicGetOptions { no_ack: true };
    let mut positions = Vec::new();
    while let Some(message) = channel
        .basic_get("albatross.events".into(), acknowledged)
        .await
        .unwrap()
    {
        let id = message.delivery.properties.message_id().clone().unwrap();
        let (of, position) = id.as_str().split_once(':').unwrap();
        assert_eq!(of, epoch);
        positions.push(position.parse().unwrap());
    }
    positions
}
