//! What the queue that comes with the feed holds, and how far the relay has come.

use albatross::adapters::Stores;
use albatross::application::relay::LANE;
use albatross_tests::feed::{EVENTS, assert_in_order, connect, position};
use albatross_tests::servers::VirtualHost;
use albatross_tests::wait::recovered;
use lapin::options::BasicGetOptions;

/// How far the relay has come, and how long the log is.
pub async fn distance(stores: &Stores) -> (i64, i64) {
    let reached = stores.read_model.checkpoint(LANE).await.unwrap().position;
    (reached, stores.events.head().await.unwrap().position)
}

pub async fn published(stores: &Stores) {
    recovered("everything is published", async || {
        let (reached, head) = distance(stores).await;
        reached == head
    })
    .await;
}

/// What every consumer finds that deduplicates by message id.
pub async fn assert_feed_is_complete(host: &VirtualHost, stores: &Stores) {
    let positions = drain(host).await;
    println!("{} messages", positions.len());
    assert_in_order(&positions, 1, distance(stores).await.1);
    // What was read is read: the next look begins where this one ended.
    assert!(drain(host).await.is_empty());
}

/// The positions in the queue.
pub async fn drain(host: &VirtualHost) -> Vec<i64> {
    let (_connection, channel) = connect(&host.url).await;
    let acknowledged = BasicGetOptions { no_ack: true };
    let mut positions = Vec::new();
    while let Some(message) = channel
        .basic_get(EVENTS.into(), acknowledged)
        .await
        .unwrap()
    {
        positions.push(position(&message.delivery));
    }
    positions
}
