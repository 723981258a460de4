//! Who waits for the operator is counted, and for how long; and how those are that it has looked at.

use albatross_tests::platform::{Platform, Setting, Ways};
use albatross_tests::proxy::{Mode, Proxy};
use albatross_tests::servers::servers;
use albatross_tests::wait::{recovered, until};
use futures::future::join_all;
use serde_json::json;

const TENANTS: [&str; 3] = ["queued-a", "queued-b", "queued-c"];

#[tokio::test]
async fn who_waits_for_the_operator_is_counted_until_it_is_looked_at() {
    let mut setting = Setting::straight().await;
    setting.concurrency = 1;
    let straight = Ways::straight(servers().await);
    let way = Proxy::before(&straight.postgres).await;
    let ways = Ways {
        postgres: way.url(&straight.postgres),
        ..straight
    };
    setting.ways = vec![("main", ways)];
    let platform = Platform::with(setting).await;
    let operator = platform.operator().await;
    let waiting = async || operator.metric("reconciles_waiting", &["Tenant"]).await;
    let waited = async || {
        operator
            .metric("reconcile_wait_seconds_count", &["Tenant"])
            .await
    };
    assert_eq!((waiting().await, waited().await), (0.0, 0.0));
    // Whoever is worked on is held up there, and so are the others.
    way.set(Mode::Stall);
    for name in TENANTS {
        platform.declare(name, json!({})).await;
    }
    until("two wait for the third", async || waiting().await >= 2.0).await;
    way.set(Mode::Pass);
    join_all(TENANTS.map(|name| platform.ready(name))).await;
    recovered("nobody waits", async || waiting().await == 0.0).await;
    assert!(waited().await >= 3.0);
    let available = ["ready=\"True\"", "reason=\"Available\""];
    let tenants = async |labels: &[&str]| operator.metric("tenants", labels).await;
    until("all are counted as Ready", async || {
        tenants(&available).await == 3.0
    })
    .await;
    join_all(TENANTS.map(|name| platform.remove(name))).await;
    recovered("nobody waits", async || waiting().await == 0.0).await;
    until("none is counted", async || tenants(&[]).await == 0.0).await;
    operator.stop().await;
}
