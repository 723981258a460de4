//! With one tenant's credentials, its neighbour's part of every server is refused, by the server itself.

use std::collections::BTreeMap;

use albatross_tests::feed::bind_own_queue;
use albatross_tests::platform::Platform;
use albatross_tests::servers::connect_to_redis;
use albatross_tests::wait::{recovered, until};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use lapin::{Connection as AmqpConnection, ConnectionProperties};
use redis::aio::MultiplexedConnection;
use redis::{RedisError, ServerErrorKind};
use reqwest::Url;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::owners::may_read_links;

/// What PostgreSQL answers whom it refuses (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
const INSUFFICIENT_PRIVILEGE: &str = "42501";

type Credentials = BTreeMap<String, String>;

#[tokio::test]
async fn a_tenants_credentials_open_nothing_of_its_neighbour() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    for name in ["here", "there"] {
        let owners = json!([{"kind": "Group", "name": format!("{name}-ops")}]);
        platform.airline(name, json!({"owners": owners})).await;
    }
    let (here, there) = (
        environment(&platform, "here").await,
        environment(&platform, "there").await,
    );
    let migrates = platform
        .secret("albatross-here", "albatross-migrate")
        .await
        .unwrap();
    for credentials in [&here, &migrates] {
        refused_by_postgres(credentials, &there).await;
    }
    stands_in_nobodys_way(&platform, &here, "there").await;
    refused_by_rabbitmq(&platform, &here, &there).await;
    refused_by_redis(&here, &there).await;
    for (namespace, may) in [("albatross-here", true), ("albatross-there", false)] {
        let allowed = may_read_links(&platform, "somebody", &["here-ops"], namespace).await;
        assert_eq!(allowed, may, "{namespace}");
    }
    for name in ["here", "there"] {
        platform.remove(name).await;
    }
    operator.stop().await;
}

#[tokio::test]
async fn who_asks_for_metrics_is_let_in_for_as_long_as_the_platform_says_so() {
    let platform = Platform::new().await;
    let policies: Api<NetworkPolicy> =
        Api::namespaced(platform.client.clone(), "albatross-measured");
    let let_in = async || policies.get_opt("allow-metrics").await.unwrap();
    let prometheus = json!({"podSelector": {"app": "prometheus"}});
    platform.configure(|it| it["metricsFrom"] = json!([prometheus]));
    let operator = platform.operator().await;
    platform.airline("measured", json!({})).await;
    let rules = let_in().await.unwrap().spec.unwrap().ingress;
    let pods =
        json!({"podSelector": {"matchLabels": {"app": "prometheus"}}, "namespaceSelector": {}});
    let port = json!({"port": 8082, "protocol": "TCP"});
    assert_eq!(json!(rules), json!([{"from": [pods], "ports": [port]}]));
    operator.stop().await;

    platform.configure(|it| it["metricsFrom"] = json!([]));
    let operator = platform.operator().await;
    until("nobody is let in", async || let_in().await.is_none()).await;
    platform.remove("measured").await;
    operator.stop().await;
}

/// Which PostgreSQL 16 asks of whoever changes a role; 15 has it on disk for the upgrade.
#[tokio::test]
async fn the_operator_may_administer_the_roles_that_it_has_made() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("administered", json!({})).await;
    let owner = platform.record("administered").await["ownerRole"].clone();
    let url = &platform.servers.database_url;
    let mut connection = PgConnection::connect(url).await.unwrap();
    let administered = sqlx::query_scalar(
        "SELECT count(DISTINCT roleid) FROM pg_auth_members JOIN pg_roles ON pg_roles.oid = roleid \
         WHERE starts_with(rolname, $1) AND admin_option AND member = current_user::regrole",
    );
    let prefix = owner.strip_suffix("owner").unwrap();
    let administered: i64 = administered
        .bind(prefix)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(administered, 3);
    platform.remove("administered").await;
    operator.stop().await;
}

async fn environment(platform: &Platform, tenant: &str) -> Credentials {
    let namespace = format!("albatross-{tenant}");
    let secret = platform.secret(&namespace, "albatross-api").await;
    secret.unwrap()
}

/// The URL with the neighbour's database or virtual host in it, and the own credentials.
fn at_neighbours(own: &str, neighbours: &str) -> Url {
    let mut url: Url = own.parse().unwrap();
    let other: Url = neighbours.parse().unwrap();
    assert_ne!(url.path(), other.path());
    url.set_path(other.path());
    url
}

async fn refused_by_postgres(own: &Credentials, neighbour: &Credentials) {
    let url = &own["DATABASE_URL"];
    let mut connection = PgConnection::connect(url).await.unwrap();
    let elsewhere = at_neighbours(url, &neighbour["DATABASE_URL"]);
    let entered = PgConnection::connect(elsewhere.as_str()).await;
    assert_eq!(code(entered.err()), INSUFFICIENT_PRIVILEGE, "CONNECT");
    let other: Url = neighbour["DATABASE_URL"].parse().unwrap();
    let (user, database) = (other.username(), other.path().trim_start_matches('/'));
    for statement in [
        format!("SET ROLE {user:?}"),
        format!("ALTER ROLE {user:?} PASSWORD 'mine'"),
        format!("GRANT CONNECT ON DATABASE {database:?} TO CURRENT_USER"),
        "CREATE ROLE mallory SUPERUSER".to_owned(),
        "SELECT pg_read_file('/etc/passwd')".to_owned(),
    ] {
        let done = sqlx::raw_sql(AssertSqlSafe(statement.clone()))
            .execute(&mut connection)
            .await;
        assert_eq!(code(done.err()), INSUFFICIENT_PRIVILEGE, "{statement}");
    }
}

/// Whoever knows the neighbour's number, which its database is called by, holds the lock that the operator takes for it.
async fn stands_in_nobodys_way(platform: &Platform, own: &Credentials, neighbour: &str) {
    let mut everybodys: Url = own["DATABASE_URL"].parse().unwrap();
    everybodys.set_path("postgres");
    let mut connection = PgConnection::connect(everybodys.as_str()).await.unwrap();
    let id: Uuid = platform.record(neighbour).await["tenantId"]
        .parse()
        .unwrap();
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind((id.as_u128() >> 64) as i64)
        .execute(&mut connection)
        .await
        .unwrap();
    let operators =
        "SELECT datname::text FROM pg_database WHERE starts_with(datname, 'albatross_operator_')";
    let operators: Vec<String> = sqlx::query_scalar(operators)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert!(!operators.is_empty());
    for database in operators {
        everybodys.set_path(&database);
        let entered = PgConnection::connect(everybodys.as_str()).await;
        assert_eq!(code(entered.err()), INSUFFICIENT_PRIVILEGE, "{database}");
    }
    // More pods are more connections, which only its role may have.
    platform
        .change(neighbour, json!({"api": {"replicas": 2}}))
        .await;
    platform.ready(neighbour).await;
}

/// The server's own code; none where it did not refuse.
fn code(error: Option<sqlx::Error>) -> String {
    match error {
        Some(sqlx::Error::Database(error)) => error.code().unwrap_or_default().into_owned(),
        other => format!("{other:?}"),
    }
}

async fn refused_by_rabbitmq(platform: &Platform, own: &Credentials, neighbour: &Credentials) {
    // Pods would find it elsewhere.
    let server: Url = platform.servers.amqp_url.parse().unwrap();
    let mut url: Url = own["AMQP_URL"].parse().unwrap();
    url.set_host(server.host_str()).unwrap();
    url.set_port(server.port()).unwrap();
    let enter = async |url: &str| {
        let entered = AmqpConnection::connect(url, ConnectionProperties::default()).await;
        entered.map(drop).map_err(|error| error.to_string())
    };
    enter(url.as_str()).await.unwrap();
    a_queue_is_held_to_its_share(&platform.servers.rabbitmq_management_url, &url).await;
    let elsewhere = at_neighbours(url.as_str(), &neighbour["AMQP_URL"]);
    let refused = enter(elsewhere.as_str()).await.unwrap_err();
    assert!(refused.contains("access to vhost"), "{refused}");
}

/// Whatever the tenant declares: the broker's disk is everybody's.
async fn a_queue_is_held_to_its_share(management: &str, own: &Url) {
    bind_own_queue(own.as_str()).await;
    let mut queues: Url = management.parse().unwrap();
    queues.set_path(&format!("/api/queues{}", own.path()));
    // Its statistics come some seconds later.
    recovered("the queue is held to a limit", async || {
        let queues = reqwest::get(queues.clone()).await.unwrap();
        let queues: Value = queues.json().await.unwrap();
        queues[0]["effective_policy_definition"]["max-length-bytes"] == 268_435_456
    })
    .await;
}

async fn refused_by_redis(own: &Credentials, neighbour: &Credentials) {
    let mut connection = connect_to_redis(&own["REDIS_URL"]).await.unwrap();
    let key = |of: &Credentials| format!("{}key", of["ALBATROSS_REDIS_PREFIX"]);
    let mine = ask(&mut connection, &["SET", &key(own), "1"]).await;
    mine.unwrap();
    let theirs = key(neighbour);
    for command in [
        &["GET", &theirs][..],
        &["SET", &theirs, "1"],
        &["PUBLISH", &theirs, "1"],
        &["KEYS", "*"],
        &["FLUSHALL"],
        &["ACL", "LIST"],
        &["CONFIG", "GET", "*"],
    ] {
        let refused = ask(&mut connection, command).await.unwrap_err();
        assert_eq!(
            refused.kind(),
            ServerErrorKind::NoPerm.into(),
            "{command:?}"
        );
    }
}

async fn ask(
    connection: &mut MultiplexedConnection,
    command: &[&str],
) -> Result<redis::Value, RedisError> {
    let mut request = redis::cmd(command[0]);
    request.arg(&command[1..]);
    request.query_async(connection).await
}
