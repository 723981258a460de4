//! What another event store does: `albatross-peers append PEER PLACE CLIENTS SECONDS`, and `replay PEER PLACE EVENTS BYTES`.
//!
//! PLACE is the URL of a database or a directory of its own. Prints how long it took, then the latency of each append, in
//! microseconds, one a line.
#![allow(
    clippy::disallowed_methods,
    reason = "a bench looks at the clock, draws ids and is told what to do by its arguments"
)]

mod disintegrate_store;
mod esrs_store;
mod eventcore_store;
mod postgres_es_store;
mod sierradb_store;
mod umadb_store;

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// Bytes; what Albatross stores as one event, here as text, since most of these store JSON.
const PAYLOAD: usize = 256;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["append", peer, place, clients, seconds] => {
            let clients = clients.parse().context("CLIENTS")?;
            let time = Duration::from_secs(seconds.parse().context("SECONDS")?);
            tell(append(peer, place, clients, time).await?);
        }
        ["replay", "postgres-es", url, events, bytes] => {
            let events = events.parse().context("EVENTS")?;
            let bytes = bytes.parse().context("BYTES")?;
            let pool = connect(url, 1).await?;
            let elapsed = postgres_es_store::replay(pool, events, bytes).await?;
            println!("{}", elapsed.as_micros());
        }
        _ => bail!(
            "usage: albatross-peers append PEER PLACE CLIENTS SECONDS, or replay postgres-es URL EVENTS BYTES"
        ),
    }
    Ok(())
}

async fn append(peer: &str, place: &str, clients: u32, time: Duration) -> anyhow::Result<Run> {
    let pool = || connect(place, clients);
    let directory = Path::new(place);
    match peer {
        "postgres-es" => postgres_es_store::append(pool().await?, clients, time).await,
        "esrs" => esrs_store::append(pool().await?, clients, time).await,
        "disintegrate-postgres" => disintegrate_store::append(pool().await?, clients, time).await,
        "eventcore-postgres" => {
            eventcore_store::append_on_postgres(pool().await?, clients, time).await
        }
        "eventcore-sqlite" => eventcore_store::append_on_sqlite(directory, clients, time).await,
        "umadb-core" => umadb_store::append(directory, clients, time).await,
        "sierradb" => sierradb_store::append(directory, clients, time).await,
        other => bail!("no such peer: {other}"),
    }
}

/// One connection a client: none of them ever waits for one.
async fn connect(url: &str, clients: u32) -> anyhow::Result<PgPool> {
    let options = PgPoolOptions::new()
        .min_connections(clients)
        .max_connections(clients)
        // For all of them; on a busy machine the passwords alone take a while.
        .acquire_timeout(Duration::from_secs(120));
    Ok(options.connect(url).await?)
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
