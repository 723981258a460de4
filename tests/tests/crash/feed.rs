//! What consumers outside have received: every event, in order, some of them twice.

use albatross::adapters::open;
use albatross::application::relay::LANE;
use albatross_tests::feed::{assert_in_order, read_own_queue};
use albatross_tests::wait::recovered;

/// Waits until the relay has reached the end of the log, and reads all that it has published.
pub async fn is_complete(database_url: &str, broker_url: &str) {
    let stores = open(database_url).await.expect("the storage opens");
    let head = stores.events.head().await.expect("a head").position;
    recovered("everything is published", async || {
        let relayed = stores.read_model.checkpoint(LANE).await;
        relayed.is_ok_and(|relayed| relayed.position == head)
    })
    .await;
    let positions = read_own_queue(broker_url, head).await;
    assert_in_order(&positions, 1, head);
}
