//! A server that is killed while it is being given tenants, and comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{Platform, Setting, Ways};
use albatross_tests::proxy::{Mode, Proxy};
use albatross_tests::servers::{PrivateServer, connect_to_redis, servers};
use albatross_tests::wait::{recovered, until};
use futures::future::join_all;
use lapin::ConnectionProperties;
use redis::AsyncCommands;
use reqwest::Url;
use serde_json::{Value, json};
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

#[tokio::test]
async fn a_broker_that_is_killed_in_the_middle_costs_nothing_but_time() {
    let own = PrivateServer::rabbitmq().await;
    let [amqp, management] = own.rabbitmq_urls();
    let way = Proxy::before(management).await;
    let ways = Ways {
        rabbitmq: way.url(management),
        ..Ways::straight(servers().await)
    };
    let there = async || {
        let vhosts = reqwest::get(format!("{management}/api/vhosts")).await;
        let vhosts: Vec<Value> = vhosts.unwrap().json().await.unwrap();
        let is_tenants = |it: &&Value| it["name"].as_str().unwrap().starts_with("alb_");
        vhosts.iter().filter(is_tenants).count()
    };
    let lets_in = async |given: &Identity| {
        let url = straight(&given["AMQP_URL"], amqp);
        let connected = lapin::Connection::connect(&url, ConnectionProperties::default()).await;
        connected.map(drop).map_err(|error| error.to_string())
    };
    let account = ("rabbitmq", management);
    is_killed_in_the_middle(&own, &way, ways, account, there, lets_in).await;
}

#[tokio::test]
async fn a_broker_that_comes_back_empty_is_filled_at_once_and_by_an_operator_that_was_away_too() {
    let own = PrivateServer::rabbitmq().await;
    let [amqp, management] = own.rabbitmq_urls();
    let ways = Ways {
        rabbitmq: management.to_owned(),
        ..Ways::straight(servers().await)
    };
    let mut setting = Setting::straight().await;
    setting.ways = vec![("main", ways)];
    let platform = Platform::with(setting).await;
    platform.create_account("rabbitmq", management).await;
    let operator = platform.operator().await;
    platform.airline("emptied", json!({})).await;
    let before = identity(&platform, "emptied").await;
    let given = platform.secret("albatross-emptied", "albatross-api").await;
    let url = straight(&given.unwrap()["AMQP_URL"], amqp);
    let lets_in = async || {
        let connected = lapin::Connection::connect(&url, ConnectionProperties::default()).await;
        connected.is_ok()
    };
    assert!(lets_in().await);

    own.restart_empty();
    recovered("the broker lets the tenant in again", lets_in).await;
    platform.ready("emptied").await;
    operator.stop().await;
    own.restart_empty();
    assert!(!lets_in().await);
    let operator = platform.operator().await;
    recovered("the broker lets the tenant in once more", lets_in).await;
    platform.ready("emptied").await;
    assert_eq!(identity(&platform, "emptied").await, before);
    platform.remove("emptied").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_cache_that_is_killed_in_the_middle_costs_nothing_but_time() {
    let own = PrivateServer::redis().await;
    let way = Proxy::before(own.redis_url()).await;
    let ways = Ways {
        redis: way.url(own.redis_url()),
        ..Ways::straight(servers().await)
    };
    let there = async || {
        let mut connection = connect_to_redis(own.redis_url()).await.unwrap();
        let users: Vec<String> = connection.acl_users().await.unwrap();
        let is_tenants = |it: &&String| it.starts_with("alb_");
        users.iter().filter(is_tenants).count()
    };
    let lets_in = async |given: &Identity| {
        let url = straight(&given["REDIS_URL"], own.redis_url());
        let connected = connect_to_redis(&url).await;
        connected.map(drop).map_err(|error| error.to_string())
    };
    let account = ("redis", own.redis_url());
    is_killed_in_the_middle(&own, &way, ways, account, there, lets_in).await;
}

/// `there` counts the tenants that the server has; `lets_in` logs in with what a tenant's pods are given.
async fn is_killed_in_the_middle(
    own: &PrivateServer,
    way: &Proxy,
    ways: Ways,
    (account, url): (&str, &str),
    there: impl AsyncFn() -> usize,
    lets_in: impl AsyncFn(&Identity) -> Result<(), String>,
) {
    let mut setting = Setting::straight().await;
    setting.ways = vec![("main", ways)];
    // One after the other: one is there before another is.
    setting.concurrency = 1;
    let platform = Platform::with(setting).await;
    platform.create_account(account, url).await;
    let operator = platform.operator().await;
    way.set(Mode::Slow(Duration::from_millis(50)));
    for name in NAMES {
        platform.declare(name, json!({})).await;
    }
    recovered("something is there", async || there().await > 0).await;
    way.set(Mode::Stall);
    assert!(there().await < NAMES.len(), "all was done already");
    own.kill();
    let before = known(&platform).await;
    assert!(!before.is_empty());
    own.restart();
    way.set(Mode::Pass);

    join_all(NAMES.map(|name| platform.ready(name))).await;
    let after = known(&platform).await;
    assert_eq!(after.len(), NAMES.len());
    for (name, before) in before {
        assert_eq!(after[name], before, "{name}");
    }
    for name in NAMES {
        let namespace = format!("albatross-{name}");
        let given = platform.secret(&namespace, "albatross-api").await.unwrap();
        let entered = lets_in(&given).await;
        entered.unwrap_or_else(|error| panic!("it does not let {name} in: {error}"));
    }
    assert_eq!(there().await, NAMES.len());
    join_all(NAMES.map(|name| platform.remove(name))).await;
    assert_eq!(there().await, 0);
    operator.stop().await;
}

/// Of those that have one.
async fn known(platform: &Platform) -> BTreeMap<&'static str, Identity> {
    let mut all = BTreeMap::new();
    for name in NAMES {
        let record = format!("tenant-{name}");
        if platform.secret(NAMESPACE, &record).await.is_some() {
            all.insert(name, identity(platform, name).await);
        }
    }
    all
}

/// `url`, as whoever is on this machine finds its server.
fn straight(url: &str, server: &str) -> String {
    let (mut url, server) = (url.parse::<Url>().unwrap(), server.parse::<Url>().unwrap());
    url.set_host(server.host_str()).unwrap();
    url.set_port(server.port()).unwrap();
    url.into()
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
    let names = [
        "tenantId",
        "database",
        "vhost",
        "brokerUser",
        "cacheUser",
        "cachePrefix",
    ];
    record.retain(|key, _| names.contains(&&**key) || key.ends_with("Password"));
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
