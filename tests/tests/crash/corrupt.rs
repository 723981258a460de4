//! A log with an event that nobody can read: found, named, and in nobody else's way.

use albatross_tests::airline::Caller;
use albatross_tests::processes::Site;
use albatross_tests::wait::recovered;
use reqwest::header::{HOST, ORIGIN};
use reqwest::{Client, StatusCode};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use uuid::Uuid;

use crate::load;
use crate::sqlite::SKYWAYS;

async fn log(site: &Site) -> SqliteConnection {
    let file = site.data().join("skyways/log.db");
    let options = SqliteConnectOptions::new().filename(file);
    options.connect().await.expect("the log opens")
}

async fn payload(log: &mut SqliteConnection, position: i64) -> Vec<u8> {
    let query = sqlx::query_scalar("SELECT payload FROM events WHERE position = ?");
    query.bind(position).fetch_one(log).await.expect("a row")
}

async fn rewrite(log: &mut SqliteConnection, position: i64, payload: &[u8]) {
    let query = sqlx::query("UPDATE events SET payload = ? WHERE position = ?");
    let done = query.bind(payload).bind(position).execute(log).await;
    assert_eq!(done.expect("the log is written").rows_affected(), 1);
}

/// Files a flight; returns its position in the log.
async fn file(caller: &Caller, id: u128) -> i64 {
    let filed = load::file(caller, Uuid::from_u128(id)).send().await;
    let filed = filed.expect("the process answers");
    assert_eq!(filed.status(), StatusCode::CREATED);
    let position = filed.headers()["albatross-position"].to_str();
    position.expect("text").parse().expect("a number")
}

/// Registers a pilot; returns the event's position in the log.
async fn register(site: &Site) -> i64 {
    let host = site.host("skyways");
    let pilot = json!({
        "email": "bob@skyways.example",
        "password": "correct horse battery staple",
        "displayName": "Bob",
    });
    let registered = Client::new()
        .post(format!("{}/api/v1/users", site.address()))
        .header(ORIGIN, format!("http://{host}"))
        .header(HOST, host)
        .json(&pilot);
    let registered = registered.send().await.expect("the process answers");
    assert_eq!(registered.status(), StatusCode::CREATED);
    let position = registered.headers()["albatross-position"].to_str();
    position.expect("text").parse().expect("a number")
}

fn forget_read_model(site: &Site) {
    for file in ["read.db", "read.db-wal", "read.db-shm"] {
        let gone = std::fs::remove_file(site.data().join("skyways").join(file));
        assert!(gone.is_ok() || file != "read.db");
    }
}

fn path(id: u128) -> String {
    format!("/pireps/{}", Uuid::from_u128(id))
}

#[tokio::test]
async fn a_corrupt_event_is_named_and_stops_only_what_needs_it() {
    let site = Site::of(&SKYWAYS);
    let process = site.up().await;
    let caller = site.client("skyways");
    let (before, corrupt) = (file(&caller, 1).await, file(&caller, 2).await);
    assert!(before < corrupt);
    let ended = process.interrupt().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    let mut log = log(&site).await;
    let whole = payload(&mut log, corrupt).await;
    rewrite(&mut log, corrupt, &[0xff; 9]).await;

    let verified = site.verify("skyways");
    let said = String::from_utf8_lossy(&verified.stderr);
    assert_eq!(verified.status.code(), Some(1));
    assert!(said.contains(&corrupt.to_string()), "{said}");

    // The read model is made anew, and comes as far as the log can be read.
    forget_read_model(&site);
    let mut process = site.up().await;
    recovered("the log's damage is told", async || {
        process.stderr().contains(&format!("position {corrupt}"))
    })
    .await;
    assert_eq!(caller.status_of(&path(1)).await, 200, "what was before");
    assert_eq!(caller.status_of(&path(2)).await, 500, "cannot be read");
    let stopped = process.stderr();
    let stopped = stopped
        .lines()
        .filter(|line| line.contains("projection stopped"));
    assert_eq!(stopped.count(), 1, "one lane of two");
    let after = file(&caller, 3).await;
    assert_eq!(after, corrupt + 1, "flights are filed all the same");
    assert!(!process.has_ended());

    rewrite(&mut log, corrupt, &whole).await;
    log.close().await.expect("the log closes");
    // The lane looks again with the next event, or after half a minute.
    file(&caller, 4).await;
    recovered("the repaired log is read to its end", async || {
        caller.status_of(&path(2)).await == 200 && caller.status_of(&path(4)).await == 200
    })
    .await;
    assert!(site.verify("skyways").status.success());
}

#[tokio::test]
async fn a_corrupt_event_of_people_keeps_no_airline_from_starting() {
    const FIRST: i64 = 1;
    let nordwind = ["11-nordwind.yaml", "21-nordwind-acars.yaml"];
    let site = Site::of(&[&SKYWAYS[..], &nordwind].concat());
    let process = site.up().await;
    let [skyways, nordwind] = ["skyways", "nordwind"].map(|name| site.client(name));
    for caller in [&skyways, &nordwind] {
        file(caller, 1).await;
    }
    let bob = register(&site).await;
    let ended = process.interrupt().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    let mut log = log(&site).await;
    // A pilot's, and one that says of the airline itself what was declared.
    for corrupt in [bob, FIRST] {
        let whole = payload(&mut log, corrupt).await;
        rewrite(&mut log, corrupt, &[0xff; 9]).await;
        forget_read_model(&site);
        let process = site.up().await;
        let said = process.stderr();
        assert!(said.contains("what is declared is not applied"), "{said}");
        assert!(said.contains(&format!("position {corrupt}")), "{said}");
        for caller in [&skyways, &nordwind] {
            assert_eq!(caller.status_of(&path(1)).await, 200);
        }
        let ended = process.interrupt().await;
        assert!(ended.status.success(), "{}", ended.stderr);
        rewrite(&mut log, corrupt, &whole).await;
    }
    let process = site.up().await;
    let said = process.stderr();
    assert!(!said.contains("not applied"), "{said}");
}
