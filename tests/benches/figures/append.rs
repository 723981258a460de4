//! Appends of one event each, durable before they are answered: PostgreSQL beside pgbench, and SQLite.

use std::sync::Arc;
use std::time::{Duration, Instant};

use albatross::adapters::{migrate, open};
use albatross::ports::event_store::{Append, EventStore, NewEvent};
use albatross_tests::servers::servers;
use futures::future::join_all;
use jiff::Timestamp;
use uuid::Uuid;

use crate::Effort;
use crate::pgbench::Pgbench;
use crate::table::{Bar, Table, median};

/// About what a PIREP's event takes.
pub const PAYLOAD_BYTES: usize = 256;

pub async fn postgres(table: &mut Table, effort: Effort) {
    let database = servers().await.database().await;
    let schema = migrate(&database.url).await.unwrap();
    assert!(schema > 0);
    let events = open(&database.url).await.unwrap().events;
    let pgbench = Pgbench::prepare(&database.url).await;
    for (clients, bar) in [(1, Bar::AtLeast(0.9)), (64, Bar::AtLeast(3.0))] {
        let (mut ours, mut theirs, mut latencies) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..effort.rounds {
            let (rate, mut taken) = run(&events, clients, effort.each).await;
            ours.push(rate);
            latencies.append(&mut taken);
            theirs.push(pgbench.inserts_per_second(clients, effort.each).await);
        }
        let what =
            format!("append on PostgreSQL, {clients} clients, beside pgbench single-row inserts");
        table.beside(&what, median(ours), median(theirs), "/s", bar);
        quantiles(
            table,
            &format!("append on PostgreSQL, {clients} clients"),
            latencies,
        );
    }
}

pub async fn sqlite(table: &mut Table, effort: Effort) {
    for clients in [1, 64] {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().display());
        let events = open(&url).await.unwrap().events;
        let (mut rates, mut latencies) = (Vec::new(), Vec::new());
        for _ in 0..effort.rounds {
            let (rate, mut taken) = run(&events, clients, effort.each).await;
            rates.push(rate);
            latencies.append(&mut taken);
        }
        let what = format!("append on SQLite, {clients} clients");
        table.figure(&what, median(rates), "/s", Bar::None);
        quantiles(table, &what, latencies);
    }
}

fn quantiles(table: &mut Table, what: &str, mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = (latencies.len() as f64 * share) as usize;
        latencies[index.min(latencies.len() - 1)].as_secs_f64() * 1e3
    };
    table.note(&format!(
        "{what}: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms",
        at(0.5),
        at(0.99),
        at(0.999)
    ));
}

/// Appends a second by so many clients, each on streams of its own, and how long each append took.
async fn run(events: &Arc<dyn EventStore>, clients: usize, each: Duration) -> (f64, Vec<Duration>) {
    let start = Instant::now();
    let tasks = (0..clients).map(|_| {
        let events = events.clone();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            while start.elapsed() < each {
                let begun = Instant::now();
                events.append(command()).await.unwrap();
                taken.push(begun.elapsed());
            }
            taken
        })
    });
    let taken: Vec<Duration> = join_all(tasks)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    (taken.len() as f64 / start.elapsed().as_secs_f64(), taken)
}

fn command() -> Append {
    Append {
        command_id: Uuid::new_v4(),
        stream_id: Uuid::new_v4(),
        expected_version: 0,
        events: vec![NewEvent {
            event_id: Uuid::new_v4(),
            kind: 1,
            schema: 1,
            payload: vec![7; PAYLOAD_BYTES],
        }],
        causation_id: None,
        correlation_id: None,
        actor: "user:bench".to_owned(),
        recorded_at: Timestamp::UNIX_EPOCH,
        claims: Vec::new(),
        request: None,
        credentials: Vec::new(),
        subject_keys: Vec::new(),
    }
}
