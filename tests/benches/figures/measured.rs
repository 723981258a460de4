//! One measurement over all rounds: how fast it was, and what it took of the server.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use crate::load::Run;
use crate::processor;
use crate::table::median;

/// Of [`Measured::row`].
pub const COLUMNS: &str = "\n## How it was spent\n\nLatencies in ms; WAL and processor time (µs) for each event.\n\n\
    | measurement | events/s | p50 | p99 | p99.9 | WAL bytes | WAL syncs | CPU server | CPU clients |\n\
    |---|---|---|---|---|---|---|---|---|\n";

/// All rounds of one measurement.
#[derive(Default)]
pub struct Measured {
    per_second: Vec<f64>,
    latencies: Vec<Duration>,
    events: u64,
    wal_bytes: i64,
    wal_syncs: i64,
    server: Duration,
    client: Duration,
}

/// What the server and this process did until now.
struct Counters {
    wal_bytes: i64,
    wal_syncs: i64,
    server: Duration,
    client: Duration,
}

impl Measured {
    /// Adds a round: `run`, and what the server of `url` did meanwhile. Everything that it opens, it closes.
    pub async fn round(&mut self, url: &str, run: impl Future<Output = Run>) {
        let before = Counters::read(url).await;
        let run = run.await;
        let client = processor::of_this();
        let after = Counters::read(url).await;
        self.wal_bytes += after.wal_bytes - before.wal_bytes;
        self.wal_syncs += after.wal_syncs - before.wal_syncs;
        self.server += after.server.saturating_sub(before.server);
        self.client += client.saturating_sub(before.client);
        self.add(run);
    }

    /// Adds a round in which no server took part.
    pub fn add(&mut self, run: Run) {
        self.per_second.push(run.per_second());
        self.events += run.events;
        self.latencies.extend(run.latencies);
    }

    pub fn per_second(&self) -> &[f64] {
        &self.per_second
    }

    /// How the time was spent.
    pub fn row(&self, what: &str) -> Vec<String> {
        let [p50, p99, p999] = [500, 990, 999].map(|it| self.milliseconds(it));
        let [server, client] = self.processor();
        vec![
            what.to_owned(),
            format!("{:.0}", median(&self.per_second)),
            format!("{p50:.2}"),
            format!("{p99:.2}"),
            format!("{p999:.2}"),
            format!("{:.0}", self.wal_bytes()),
            format!("{:.4}", self.wal_syncs()),
            format!("{server:.1}"),
            format!("{client:.1}"),
        ]
    }

    /// In milliseconds, so many of 1,000 were faster.
    fn milliseconds(&self, per_mille: usize) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let index = (sorted.len() * per_mille / 1_000).min(sorted.len() - 1);
        sorted[index].as_secs_f64() * 1e3
    }

    fn wal_bytes(&self) -> f64 {
        self.wal_bytes as f64 / self.events as f64
    }

    fn wal_syncs(&self) -> f64 {
        self.wal_syncs as f64 / self.events as f64
    }

    /// Microseconds of processor time for an event: the server's, and the clients'.
    pub fn processor(&self) -> [f64; 2] {
        [self.server, self.client].map(|it| it.as_secs_f64() * 1e6 / self.events as f64)
    }
}

impl Counters {
    /// Waits until nobody else is connected: with its end, a connection reports what it did.
    async fn read(url: &str) -> Self {
        let client = processor::of_this();
        let mut connection = PgConnection::connect(url).await.unwrap();
        let others = "SELECT count(*) FROM pg_stat_activity \
             WHERE usename = current_user AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
        loop {
            let others = sqlx::query_scalar::<_, i64>(others);
            if others.fetch_one(&mut connection).await.unwrap() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let sql = "SELECT (pg_current_wal_lsn() - '0/0')::bigint, wal_sync, pg_backend_pid() FROM pg_stat_wal";
        let read = sqlx::query_as::<_, (i64, i64, i32)>(sql);
        let (wal_bytes, wal_syncs, backend) = read.fetch_one(&mut connection).await.unwrap();
        let server = processor::parent_of(&backend.to_string()).unwrap();
        let counters = Self {
            wal_bytes,
            wal_syncs,
            server: processor::of_family(server),
            client,
        };
        connection.close().await.unwrap();
        counters
    }
}
