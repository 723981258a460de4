//! The figures that are promised, measured beside what they are compared with, in one run: `make bench`.
//!
//! `ROUNDS` and `SECONDS` set how often and how long each is measured; `CLUSTER=1` asks the cluster of `KUBECONFIG` too.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a bench may fail, draws ids, measures time and is configured by its environment"
)]

mod airline;
mod append;
mod cluster;
mod copy;
mod filing;
mod floors;
mod http;
mod key_check;
mod load;
mod measured;
mod peers;
mod pgbench;
mod reading;
mod serve;
mod single_executable;
mod telemetry;
mod tracks;

use std::str::FromStr;
use std::time::Duration;

use albatross_tests::bench::{processor, table};

use table::Table;

/// How much is measured.
#[derive(Clone, Copy)]
struct Effort {
    /// Everything is measured so many times, in turn; the median counts.
    rounds: usize,
    /// Each time for so long.
    each: Duration,
}

#[tokio::main]
async fn main() {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .unwrap();
    let effort = Effort {
        rounds: from_environment("ROUNDS").unwrap_or(5),
        each: Duration::from_secs(from_environment("SECONDS").unwrap_or(2)),
    };
    let mut table = Table::new("benchmarks.md", "make bench", measured::COLUMNS);
    floors::measure(&mut table, effort).await;
    let append = append::measure(&mut table, effort).await;
    reading::measure(&mut table, effort).await;
    reading::visible(&mut table, effort).await;
    key_check::measure(&mut table, effort).await;
    filing::measure(&mut table, effort, append).await;
    telemetry::measure(&mut table, effort).await;
    tracks::measure(&mut table, effort).await;
    single_executable::measure(&mut table, effort).await;
    serve::measure(&mut table, effort).await;
    if from_environment::<u8>("CLUSTER").is_some_and(|asked| asked > 0) {
        cluster::measure(&mut table).await;
    } else {
        table.note("kubectl apply → Ready, no-op reconcile: not asked for (CLUSTER=1)");
    }
    table.finish();
}

fn from_environment<T: FromStr>(name: &str) -> Option<T> {
    let value = std::env::var(name).ok()?;
    match value.parse() {
        Ok(value) => Some(value),
        Err(_) => panic!("{name}={value} is not a number"),
    }
}
