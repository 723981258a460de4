//! Appends by one peer: `albatross-peers PEER URL CLIENTS SECONDS`, into a database of its own.
//!
//! Prints how long it took, then the latency of each append, in microseconds, one a line. `PEER` alone is asked for by `--list`.
#![allow(
    clippy::disallowed_methods,
    reason = "a bench looks at the clock, draws ids and is told what to do by its arguments"
)]

mod esrs_store;
mod postgres_es_store;

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// With the versions that Cargo.lock holds.
const PEERS: [&str; 2] = ["postgres-es", "esrs"];
/// Bytes; what Albatross stores as one event, here as text, since these peers store JSON.
const PAYLOAD: usize = 256;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["--list"] {
        println!("{}", PEERS.join("\n"));
        return Ok(());
    }
    let [peer, url, clients, seconds] = &arguments[..] else {
        bail!("usage: albatross-peers PEER URL CLIENTS SECONDS");
    };
    let clients = clients.parse().context("CLIENTS")?;
    let time = Duration::from_secs(seconds.parse().context("SECONDS")?);
    // One connection a client: none of them ever waits for one.
    let pool = PgPoolOptions::new()
        .min_connections(clients)
        .max_connections(clients)
        .connect(url)
        .await?;
    match peer.as_str() {
        "postgres-es" => tell(postgres_es_store::run(pool, clients, time).await?),
        "esrs" => tell(esrs_store::run(pool, clients, time).await?),
        other => bail!("no such peer: {other}"),
    }
    Ok(())
}

/// What clients did together.
struct Run {
    elapsed: Duration,
    latencies: Vec<Duration>,
}

/// Clients that each append one event after the other until the time is up.
async fn clients<F>(
    count: u32,
    time: Duration,
    append: impl Fn() -> F + Clone + Send + 'static,
) -> anyhow::Result<Run>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    append().await?;
    let begun = Instant::now();
    let one = |_| {
        let append = append.clone();
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            while begun.elapsed() < time {
                let asked = Instant::now();
                append().await?;
                latencies.push(asked.elapsed());
            }
            anyhow::Ok(latencies)
        })
    };
    let running: Vec<_> = (0..count).map(one).collect();
    let mut latencies = Vec::new();
    for client in running {
        latencies.extend(client.await??);
    }
    let elapsed = begun.elapsed();
    Ok(Run { elapsed, latencies })
}

fn tell(run: Run) {
    let mut text = format!("{}\n", run.elapsed.as_micros());
    for latency in run.latencies {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{}", latency.as_micros());
    }
    print!("{text}");
}

/// Creates the tables of a peer that does not do so itself.
async fn create(pool: &PgPool, sql: &'static str) -> anyhow::Result<()> {
    sqlx::raw_sql(sql).execute(pool).await?;
    Ok(())
}

fn payload() -> String {
    "7".repeat(PAYLOAD)
}
