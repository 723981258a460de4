//! A PostgreSQL with an airline on it is upgraded to one that asks more of whoever changes roles.

use std::process::Stdio;

use albatross::adapters::{chain, migrate, open};
use albatross::ports::event_store::{Append, NewEvent};
use albatross_tests::platform::Platform;
use albatross_tests::servers::PrivateServer;
use albatross_tests::wait::recovered;
use jiff::Timestamp;
use reqwest::Url;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use uuid::Uuid;

const NAME: &str = "upgraded";
const HOME: &str = "albatross-upgraded";

/// An airline on a PostgreSQL that is moved.
struct Moving {
    platform: Platform,
    /// Of the one before.
    superuser: Url,
}

impl Moving {
    /// What the pods are given.
    async fn url(&self, secret: &str) -> Url {
        let environment = self.platform.secret(HOME, secret).await.unwrap();
        environment["DATABASE_URL"].parse().unwrap()
    }

    /// With all that it has, and its accounts.
    async fn moves_to(&mut self, server: &PrivateServer) {
        let written = dump_of_roles_and_databases(&self.superuser).await;
        let password = self.superuser.password().unwrap();
        let same = format!("ALTER ROLE postgres PASSWORD '{password}'");
        as_superuser(&server.superuser_url(), same).await;
        let port = port(server);
        self.superuser.set_port(Some(port)).unwrap();
        restore(&self.superuser, &written).await;
        self.platform.configure(|configuration| {
            let servers = configuration["servers"]["postgres"].as_array_mut();
            let mut servers = servers.unwrap().iter_mut();
            let moving = servers.find(|it| it["name"] == "moving");
            moving.unwrap()["port"] = json!(port);
        });
    }

    /// How many connections a role may hold; none if it is not there.
    async fn limit_of(&self, role: &str) -> Option<i32> {
        let mut connection = PgConnection::connect(self.superuser.as_str())
            .await
            .unwrap();
        let limit = sqlx::query_scalar("SELECT rolconnlimit FROM pg_roles WHERE rolname = $1");
        let limit = limit.bind(role).fetch_optional(&mut connection);
        limit.await.unwrap()
    }
}

async fn as_superuser(superuser: &str, statement: String) {
    let mut connection = PgConnection::connect(superuser).await.unwrap();
    let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection);
    done.await.unwrap();
}

/// As the newer version's pg_dumpall writes it, which PostgreSQL says to use: it names no grantor of a server before 16, where
/// who granted a role may not have been permitted to.
async fn dump_of_roles_and_databases(superuser: &Url) -> String {
    // What it starts for each database is not handed the password.
    let dumped = Command::new("pg_dumpall")
        .args(["--dbname", superuser.as_str()])
        .env("PGPASSWORD", superuser.password().unwrap())
        .output();
    let dumped = dumped.await.unwrap();
    let complaints = String::from_utf8_lossy(&dumped.stderr);
    assert!(dumped.status.success(), "{complaints}");
    let text = String::from_utf8(dumped.stdout).unwrap();
    let lines = text
        .lines()
        .map(|line| match line.split_once(" GRANTED BY ") {
            Some((grant, _)) if line.starts_with("GRANT ") => format!("{grant};\n"),
            _ => format!("{line}\n"),
        });
    lines.collect()
}

async fn restore(superuser: &Url, dump: &str) {
    let mut psql = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", superuser.as_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = psql.stdin.take().unwrap();
    let fed = async move { input.write_all(dump.as_bytes()).await };
    let (fed, done) = tokio::join!(fed, psql.wait_with_output());
    fed.unwrap();
    let done = done.unwrap();
    let complaints = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{complaints}");
    // The accounts of whoever administers it were there before.
    let mut others = complaints.lines().filter(|line| line.contains("ERROR"));
    assert!(
        others.all(|line| line.ends_with("already exists")),
        "{complaints}"
    );
}

fn port(server: &PrivateServer) -> u16 {
    let url: Url = server.database_url().parse().unwrap();
    url.port().unwrap()
}

/// One more event of a stream that has so many.
fn appended(expected_version: i32) -> Append {
    let id = Uuid::from_u128(expected_version.unsigned_abs().into());
    let event = NewEvent {
        event_id: id,
        kind: 7,
        schema: 1,
        payload: b"payload".to_vec(),
    };
    Append {
        command_id: id,
        stream_id: Uuid::nil(),
        expected_version,
        events: vec![event],
        causation_id: None,
        correlation_id: None,
        actor: "system".to_owned(),
        recorded_at: Timestamp::UNIX_EPOCH,
        claims: Vec::new(),
        request: None,
        credentials: Vec::new(),
        subject_keys: Vec::new(),
    }
}

#[tokio::test]
async fn an_airline_goes_on_and_is_administered_to_its_end_on_a_newer_postgresql() {
    let (before, after) = tokio::join!(
        PrivateServer::postgres(),
        PrivateServer::newer_postgres("16")
    );
    let mut moving = Moving {
        platform: Platform::new().await,
        superuser: before.superuser_url().parse().unwrap(),
    };
    let server = json!({
        "name": "moving", "host": "127.0.0.1", "port": port(&before), "adminSecret": "moving",
        "connectionBudget": 1000, "egress": {"cidrs": ["192.0.2.1/32"]},
    });
    moving.platform.configure(|configuration| {
        let servers = configuration["servers"]["postgres"].as_array_mut();
        servers.unwrap().push(server);
    });
    let account = before.database_url();
    moving.platform.create_account("moving", account).await;
    let operator = moving.platform.operator().await;
    let placed = json!({"placement": {"postgres": "moving"}});
    moving.platform.airline(NAME, placed).await;
    migrate(moving.url("albatross-migrate").await.as_str())
        .await
        .unwrap();
    let stores = open(moving.url("albatross-api").await.as_str())
        .await
        .unwrap();
    stores.events.append(appended(0)).await.unwrap();
    stores.close().await;
    operator.stop().await;

    moving.moves_to(&after).await;
    let record = moving.platform.record(NAME).await;
    let (app, migrates) = (&record["appRole"], &record["migrateRole"]);
    // What only the operator puts right.
    for role in [app, migrates] {
        let other = format!("ALTER ROLE {role} PASSWORD 'other' CONNECTION LIMIT 0");
        as_superuser(moving.superuser.as_str(), other).await;
    }
    let operator = moving.platform.operator().await;
    recovered("its pods are let in", async || {
        let url = moving.url("albatross-api").await;
        url.port() == Some(port(&after)) && PgConnection::connect(url.as_str()).await.is_ok()
    })
    .await;
    moving.platform.ready(NAME).await;
    let limit = moving.limit_of(app).await;
    let more = json!({"api": {"replicas": 3}});
    moving.platform.change(NAME, more).await;
    recovered("its pods may hold more connections", async || {
        moving.limit_of(app).await > limit
    })
    .await;
    migrate(moving.url("albatross-migrate").await.as_str())
        .await
        .unwrap();
    let stores = open(moving.url("albatross-api").await.as_str())
        .await
        .unwrap();
    stores.events.append(appended(1)).await.unwrap();
    assert_eq!(chain::verify(&*stores.events).await.unwrap().events, 2);

    // While its pods are there, whom only a member of their role may send away.
    moving.platform.remove(NAME).await;
    for role in [app, migrates, &record["ownerRole"]] {
        assert_eq!(moving.limit_of(role).await, None, "{role}");
    }
    operator.stop().await;
}
