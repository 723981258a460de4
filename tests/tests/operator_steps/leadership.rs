//! Which of several operators acts, and how it stops.

use std::time::{Duration, Instant};

use albatross_operator::context::system::{Clock, SystemClock};
use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{Operator, Platform, Setting};
use albatross_tests::wait::until;
use jiff::SignedDuration;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

const OTHER: &str = "other";
/// A busy machine may hold up a renewal for that long.
const LEASE_SECONDS: u16 = 10;

#[tokio::test]
async fn a_clean_stop_gives_the_lease_back() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let ended = operator.stop().await;
    assert!(ended.status.success(), "{}", ended.stdout);
    assert_eq!(platform.leader().await, "", "{}", ended.stdout);
}

#[tokio::test]
async fn of_two_replicas_only_the_leader_writes_and_the_other_follows_a_clean_stop() {
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

/// Times in a Lease are of its holder's clock, which may be hours off: what counts is whether it changes while one looks.
#[tokio::test]
async fn a_clock_that_is_hours_off_neither_takes_the_lease_nor_keeps_it() {
    let mut setting = Setting::straight().await;
    setting.lease_seconds = LEASE_SECONDS;
    let platform = Platform::with(setting).await;
    let leases: Api<Lease> = Api::namespaced(platform.client.clone(), NAMESPACE);
    // By its own word it has not renewed for hours, and it does so all the time.
    hold(&leases, -5).await;
    let mut operator = platform.replica("operator").await;
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(15) {
        operator.must_live();
        assert_eq!(platform.leader().await, OTHER, "{}", operator.said());
        hold(&leases, -5).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(writes(&platform, &operator), 0);
    // By its own word it holds the Lease for hours to come, and it is gone.
    hold(&leases, 5).await;
    until("the operator leads", async || {
        operator.must_live();
        platform.leader().await == operator.identity
    })
    .await;
    platform.airline("skewed", json!({})).await;
    platform.remove("skewed").await;
    operator.stop().await;
}

/// The other replica says that it renews its Lease, so many hours from now.
async fn hold(leases: &Api<Lease>, hours: i64) {
    let time = SystemClock.now() + SignedDuration::from_hours(hours);
    let time = MicroTime(time);
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "albatross-operator"},
        "spec": {"holderIdentity": OTHER, "leaseDurationSeconds": LEASE_SECONDS, "acquireTime": time, "renewTime": time},
    });
    let parameters = PatchParams::apply("other").force();
    let held = leases
        .patch("albatross-operator", &parameters, &Patch::Apply(lease))
        .await;
    held.unwrap();
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
