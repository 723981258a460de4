//! What consumers outside have received: every event, in order, some of them twice.

use albatross::adapters::open;
use albatross::application::relay::LANE;
use albatross_tests::wait::until;
use lapin::options::BasicGetOptions;
use lapin::{Connection, ConnectionProperties};
use serde_json::Value;

/// Waits until the relay has reached the end of the log, and reads all that it has published.
pub async fn is_complete(database_url: &str, broker_url: &str) {
    let stores = open(database_url).await.expect("the storage opens");
    let head = stores.events.head().await.expect("a head").position;
    until("everything is published", async || {
        let relayed = stores.read_model.checkpoint(LANE).await;
        relayed.is_ok_and(|relayed| relayed.position == head)
    })
    .await;
    let connection = Connection::connect(broker_url, ConnectionProperties::default()).await;
    let channel = connection.expect("a connection").create_channel().await;
    let channel = channel.expect("a channel");
    let options = BasicGetOptions { no_ack: true };
    let mut next = 1;
    while let Some(message) = channel
        .basic_get("albatross.events".into(), options)
        .await
        .expect("the queue is there")
    {
        let body: Value = serde_json::from_slice(&message.delivery.data).expect("JSON");
        let position = body["position"].as_i64().expect("a position");
        assert!(position <= next, "{next} was skipped: {position} came");
        next = next.max(position + 1);
    }
    assert_eq!(next, head + 1, "the feed ends before the log");
}
