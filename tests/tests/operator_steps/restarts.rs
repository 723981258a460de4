//! A PostgreSQL server that is killed while it is being given tenants, and comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{Platform, Setting, Ways};
use albatross_tests::proxy::{Mode, Proxy};
use albatross_tests::servers::{PrivateServer, servers};
use albatross_tests::wait::{recovered, until};
use futures::future::join_all;
use serde_json::json;
use sqlx::{Connection, PgConnection};

const NAMES: [&str; 4] = ["shaken-a", "shaken-b", "shaken-c", "shaken-d"];

#[tokio::test]
async fn a_database_server_that_is_killed_in_the_middle_costs_nothing_but_time() {
    let own = PrivateServer::postgres().await;
    let way = Proxy::before(own.database_url()).await;
    let mut setting = Setting::straight().await;
    let ways = Ways {
        postgres: way.url(own.database_url()),
        postgres_account: "postgres-own",
        ..Ways::straight(servers().await)
    };
    setting.ways = vec![("main", ways)];
    let platform = Platform::with(setting).await;
    platform
        .create_account("postgres-own", own.database_url())
        .await;
    let operator = platform.operator().await;

    // Slow enough to be met in the middle.
    way.set(Mode::Slow(Duration::from_millis(50)));
    for name in NAMES {
        platform.declare(name, json!({})).await;
    }
    for name in NAMES {
        let record = format!("tenant-{name}");
        until("it has its identity", async || {
            platform.secret(NAMESPACE, &record).await.is_some()
        })
        .await;
    }
    recovered("something is there", async || roles(&own).await > 0).await;
    way.set(Mode::Stall);
    assert!(there(&own).await < NAMES.len(), "all was done already");
    own.kill();
    let before = identities(&platform).await;
    own.restart();
    way.set(Mode::Pass);

    join_all(NAMES.map(|name| platform.ready(name))).await;
    for (name, before) in NAMES.into_iter().zip(before) {
        assert_eq!(identity(&platform, name).await, before, "{name}");
        let namespace = format!("albatross-{name}");
        let given = platform.secret(&namespace, "albatross-migrate").await;
        let entered = PgConnection::connect(&given.unwrap()["DATABASE_URL"]).await;
        entered.unwrap_or_else(|error| panic!("PostgreSQL does not let {name} in: {error}"));
    }
    assert_eq!((there(&own).await, roles(&own).await), (4, 12));
    join_all(NAMES.map(|name| platform.remove(name))).await;
    assert_eq!((there(&own).await, roles(&own).await), (0, 0));
    operator.stop().await;
}

type Identity = BTreeMap<String, String>;

async fn identities(platform: &Platform) -> Vec<Identity> {
    let mut all = Vec::new();
    for name in NAMES {
        all.push(identity(platform, name).await);
    }
    all
}

/// What must never be made anew.
async fn identity(platform: &Platform, name: &str) -> Identity {
    let mut record = platform.record(name).await;
    record.retain(|key, _| key == "tenantId" || key == "database" || key.ends_with("Password"));
    record
}

/// Databases of tenants.
async fn there(server: &PrivateServer) -> usize {
    count(
        server,
        "SELECT count(*) FROM pg_database WHERE datname LIKE 'alb\\_%'",
    )
    .await
}

async fn roles(server: &PrivateServer) -> usize {
    count(
        server,
        "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'alb\\_%'",
    )
    .await
}

async fn count(server: &PrivateServer, query: &'static str) -> usize {
    let mut connection = PgConnection::connect(server.database_url()).await.unwrap();
    let found: i64 = sqlx::query_scalar(query)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    usize::try_from(found).unwrap()
}
