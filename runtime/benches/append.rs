//! Appends a second, of one event each: SQLite, and PostgreSQL when `DATABASE_URL` names a database to fill.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench may fail, draws ids, and is configured by its environment"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use albatross::adapters::{Stores, migrate, open};
use albatross::ports::event_store::{Append, EventStore, NewEvent};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use tokio::runtime::Runtime;
use uuid::Uuid;

const CLIENTS: [u64; 2] = [1, 64];
/// About what a PIREP event takes.
const PAYLOAD: usize = 256;

fn appends(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite:{}", directory.path().display());
    bench(criterion, &runtime, "sqlite", &sqlite);
    if let Ok(url) = std::env::var("DATABASE_URL") {
        bench(criterion, &runtime, "postgres", &url);
    }
}

fn bench(criterion: &mut Criterion, runtime: &Runtime, name: &str, url: &str) {
    let stores: Stores = runtime.block_on(async {
        migrate(url).await.unwrap();
        open(url).await.unwrap()
    });
    let mut group = criterion.benchmark_group(format!("append/{name}"));
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(1));
    for clients in CLIENTS {
        group.bench_function(format!("{clients} clients"), |bencher| {
            bencher
                .to_async(runtime)
                .iter_custom(|iterations| run(stores.events.clone(), clients, iterations));
        });
    }
    group.finish();
}

/// The time that `clients` take for `iterations` appends together, each client on streams of its own.
async fn run(events: Arc<dyn EventStore>, clients: u64, iterations: u64) -> Duration {
    let start = Instant::now();
    let tasks = (0..clients).map(|client| {
        let events = events.clone();
        let share = iterations / clients + u64::from(client < iterations % clients);
        tokio::spawn(async move {
            for _ in 0..share {
                events.append(command()).await.unwrap();
            }
        })
    });
    for task in futures::future::join_all(tasks).await {
        task.unwrap();
    }
    start.elapsed()
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
            payload: vec![7; PAYLOAD],
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

criterion_group!(benches, appends);
criterion_main!(benches);
