//! Which of several operators acts, and how it stops.

use albatross_tests::platform::{Operator, Platform, Setting};
use albatross_tests::wait::until;
use serde_json::json;

use crate::alone;

#[tokio::test]
async fn a_clean_stop_gives_the_lease_back() {
    let _alone = alone().await;
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let ended = operator.stop().await;
    assert!(ended.status.success(), "{}", ended.stdout);
    assert_eq!(platform.leader().await, "", "{}", ended.stdout);
}

#[tokio::test]
async fn of_two_replicas_only_the_leader_writes_and_the_other_follows_a_clean_stop() {
    let _alone = alone().await;
    let platform = Platform::new().await;
    let first = platform.operator().await;
    let mut second = platform.replica("second").await;
    platform.airline("led", json!({})).await;
    assert_ne!(writes(&platform, &first), 0);
    assert_eq!(writes(&platform, &second), 0);

    first.stop().await;
    until("the second leads", async || {
        second.must_live();
        platform.leader().await == "second"
    })
    .await;
    platform
        .change("led", json!({"displayName": "Led on"}))
        .await;
    platform.ready("led").await;
    assert_ne!(writes(&platform, &second), 0);
    platform.remove("led").await;
    second.stop().await;
}

#[tokio::test]
async fn a_leader_that_was_paused_past_its_lease_ends_without_another_write() {
    let _alone = alone().await;
    let mut setting = Setting::straight().await;
    setting.lease_seconds = 3;
    let platform = Platform::with(setting).await;
    let mut first = platform.operator().await;
    let second = platform.replica("second").await;
    platform.airline("paused", json!({})).await;
    first.process.signal("STOP");
    until("the second leads", async || {
        platform.leader().await == "second"
    })
    .await;
    let before = writes(&platform, &first);
    // Something to do, for both of them.
    platform
        .change("paused", json!({"api": {"replicas": 2}}))
        .await;
    first.process.signal("CONT");
    until("the first has ended", async || first.process.has_ended()).await;
    platform.ready("paused").await;
    assert_eq!(writes(&platform, &first), before);
    platform.remove("paused").await;
    second.stop().await;
}

/// By this replica, the Lease and events aside.
fn writes(platform: &Platform, operator: &Operator) -> usize {
    let writes = platform.api_server.writes();
    let its = writes
        .iter()
        .filter(|write| write.credential == operator.credential)
        .filter(|write| !write.path.contains("/leases/"));
    its.count()
}
