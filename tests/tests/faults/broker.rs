//! RabbitMQ goes away under load: the API keeps accepting, and the feed is complete and in order afterwards.

use albatross_tests::feed::{EVENTS, assert_in_order, connect};
use albatross_tests::proxy::Mode;
use albatross_tests::servers::{PrivateServer, servers};
use albatross_tests::wait::recovered;
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use rstest::rstest;

use crate::feed::*;
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
    tokio::task::block_in_place(|| broker.ended());
    behind.file(&pilot, BEFORE).await;
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
    let (_connection, channel) = connect(&site.host.url).await;
    let name = || EVENTS.into();
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
    let positions = drain(&site.host).await;
    assert_in_order(&positions, reached + 1, distance(&behind.stores).await.1);
}
