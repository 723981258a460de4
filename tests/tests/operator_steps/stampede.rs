//! A start with many tenants: as much at once as is configured, nothing is written, and no server is asked for each.

use albatross_tests::platform::{Operator, Platform, Setting, Ways};
use albatross_tests::proxy::Proxy;
use albatross_tests::servers::servers;
use albatross_tests::wait::recovered;
use futures::future::join_all;
use serde_json::json;

use crate::noop::writes;

const TENANTS: usize = 12;
const AT_ONCE: u16 = 3;
const ATTEMPTS: usize = 3;
/// What a status says of a server.
const AWAY: &str = "cannot be reached";

#[tokio::test]
async fn a_restart_with_many_tenants_writes_nothing_and_does_no_more_at_once_than_is_configured() {
    let mut setting = Setting::straight().await;
    setting.concurrency = AT_ONCE;
    let straight = Ways::straight(servers().await);
    let postgres = Proxy::before(&straight.postgres).await;
    let ways = Ways {
        postgres: postgres.url(&straight.postgres),
        ..straight
    };
    setting.ways = vec![("main", ways)];
    let platform = Platform::with(setting).await;
    let operator = platform.operator().await;
    let names: Vec<String> = (0..TENANTS)
        .map(|number| format!("many-{number}"))
        .collect();
    for name in &names {
        platform.declare(name, json!({})).await;
    }
    for name in &names {
        platform.ready(name).await;
    }
    operator.stop().await;
    let mut operator = restart_twice(&platform, &postgres).await;
    // On a machine that is so busy that a server seems away, statuses say so, which is no fault of the restart.
    for _ in 0..ATTEMPTS {
        if !operator.said().contains(AWAY) {
            break;
        }
        operator.stop().await;
        operator = restart_twice(&platform, &postgres).await;
    }
    assert!(!operator.said().contains(AWAY), "{}", operator.said());
    let (_, most) = platform.runtimes.calls();
    assert_eq!(most, usize::from(AT_ONCE));
    join_all(names.iter().map(|name| platform.remove(name))).await;
    operator.stop().await;
}

/// What the first one finds undone it does; the second one is held where it tells the runtimes, so that all that it does
/// at once can be counted.
async fn restart_twice(platform: &Platform, postgres: &Proxy) -> Operator {
    let operator = platform.operator().await;
    each_is_looked_at(&operator).await;
    operator.stop().await;
    let (before, asked) = (writes(platform).len(), postgres.accepted());
    platform.runtimes.hold(true);
    let operator = platform.operator().await;
    recovered("as many as may be are being worked on", async || {
        platform.runtimes.calls().0 == usize::from(AT_ONCE)
    })
    .await;
    platform.runtimes.hold(false);
    each_is_looked_at(&operator).await;
    let written = writes(platform).split_off(before);
    let said = operator.said();
    let asked = postgres.accepted() - asked;
    assert!(
        asked < TENANTS || said.contains(AWAY),
        "PostgreSQL was asked {asked} times: {said}"
    );
    assert!(
        written.is_empty() || said.contains(AWAY),
        "{written:#?} {said}"
    );
    operator
}

async fn each_is_looked_at(operator: &Operator) {
    recovered("each has been looked at", async || {
        operator.reconciliations().await >= TENANTS as f64
    })
    .await;
}
