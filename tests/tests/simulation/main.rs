//! Two replicas of an airline on a simulated network with simulated servers, which crash, are cut off, fall silent and slow down.
//!
//! Time is simulated, and all that happens is drawn from a seed. `ALBATROSS_SIMULATION_SEED` repeats one: its storm to
//! the millisecond, and with `RUSTFLAGS='--cfg tokio_unstable'`, which seeds the order of tasks that wake at the same
//! moment too, every message. `ALBATROSS_SIMULATIONS` says how many seeds (50).
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail, and asks its environment how much there is to do"
)]

mod clients;
mod clocks;
mod remote;
mod story;
mod telemetry;
mod verdict;
mod weather;
mod wire;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use albatross_tests::replica::{Outside, Replica};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio_util::sync::CancellationToken;
use turmoil::Sim;
use uuid::Uuid;

use crate::clocks::{Dice, SkewedClock};
use crate::remote::{POSTGRES, RABBITMQ, REDIS, Sabotage, Servers};
use crate::story::Story;
use crate::weather::Weather;

pub const REPLICAS: [&str; 2] = ["one", "other"];
/// The network's grain: nothing arrives earlier.
const TICK: Duration = Duration::from_millis(20);
/// A run that takes longer does not converge.
const LIMIT: Duration = Duration::from_secs(600);
const SEEDS: u64 = 50;

#[test]
fn whatever_happens_every_promise_holds() {
    let seeds: Vec<u64> = match env::var("ALBATROSS_SIMULATION_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => match env::var("ALBATROSS_SIMULATIONS") {
            Ok(seeds) => (0..seeds.parse().unwrap()).collect(),
            Err(_) => (0..SEEDS).collect(),
        },
    };
    let begun = Instant::now();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match outcome(*seed, None) {
                        Ok(summary) => println!("seed {seed}: {summary}"),
                        Err(failure) => {
                            println!("seed {seed} FAILED: {failure}");
                            failures.lock().unwrap().push(*seed);
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let (count, elapsed) = (seeds.len(), begun.elapsed());
    println!(
        "saw: {count} storms in {elapsed:.0?}, {} of which broke a promise",
        failures.len()
    );
    assert!(
        failures.is_empty(),
        "repeat one of these by ALBATROSS_SIMULATION_SEED: {failures:?}"
    );
}

#[test]
fn a_message_that_the_broker_loses_is_noticed() {
    notices(Sabotage::LostMessage, "was skipped");
}

#[test]
fn an_append_that_is_acknowledged_and_not_made_is_noticed() {
    notices(Sabotage::LostAppend, "missed a write");
}

#[test]
fn a_revocation_that_nobody_hears_of_is_noticed() {
    notices(Sabotage::DeafCache, "was open");
}

fn notices(sabotage: Sabotage, complaint: &str) {
    let failure = outcome(0, Some(sabotage)).expect_err("a broken promise went unnoticed");
    assert!(failure.contains(complaint), "{failure}");
}

/// A summary, or what did not hold.
fn outcome(seed: u64, sabotage: Option<Sabotage>) -> Result<String, String> {
    let run = AssertUnwindSafe(|| simulate(seed, sabotage));
    match catch_unwind(run) {
        Ok(outcome) => outcome,
        Err(panic) => Err(match panic.downcast::<String>() {
            Ok(message) => *message,
            Err(panic) => panic
                .downcast::<&str>()
                .map_or("a panic".to_owned(), |text| text.to_string()),
        }),
    }
}

fn simulate(seed: u64, sabotage: Option<Sabotage>) -> Result<String, String> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut sim = turmoil::Builder::new()
        .rng_seed(random.random())
        .enable_random_order()
        .tick_duration(TICK)
        .simulation_duration(LIMIT)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(30))
        .tcp_capacity(1_024)
        .build();
    let servers = Servers::new(sabotage);
    let story = Arc::new(Story::default());
    add_servers(&mut sim, &servers);
    for (number, name) in REPLICAS.into_iter().enumerate() {
        add_replica(&mut sim, name, number, random.random(), &servers, &story);
    }
    clients::add(&mut sim, &mut random, &servers, &story);
    let mut weather = Weather::new(StdRng::seed_from_u64(random.random()));
    loop {
        weather.pass(&mut sim, &story);
        let over = sim
            .step()
            .map_err(|error| format!("{error}\n{}", weather.report()))?;
        if over {
            break;
        }
    }
    drop(sim);
    verdict::of(&servers, &story).map_err(|broken| format!("{broken}\n{}", weather.report()))
}

fn add_servers(sim: &mut Sim<'_>, servers: &Arc<Servers>) {
    for name in [POSTGRES, RABBITMQ] {
        let wire = servers.wire.clone();
        sim.host(name, move || wire::serve(wire.clone()));
    }
    let servers = servers.clone();
    sim.host(REDIS, move || {
        servers.restart_redis();
        wire::serve(servers.wire.clone())
    });
}

/// Starts again after each crash, as often as it takes.
fn add_replica(
    sim: &mut Sim<'_>,
    name: &'static str,
    number: usize,
    seed: u64,
    servers: &Arc<Servers>,
    story: &Arc<Story>,
) {
    let (servers, story) = (servers.clone(), story.clone());
    let starts = Arc::new(AtomicUsize::new(0));
    sim.host(name, move || {
        let (servers, story) = (servers.clone(), story.clone());
        let start = starts.fetch_add(1, Ordering::Relaxed) as u64;
        story.put(number, None);
        async move {
            let dice = Arc::new(Dice::new(seed.wrapping_add(start)));
            let stop = CancellationToken::new();
            let replica = loop {
                match begin(&servers, &dice, number, &stop).await {
                    Ok(replica) => break replica,
                    Err(error) => drop(error),
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            };
            story.put(number, Some(replica));
            wire::serve(servers.wire.clone()).await
        }
    });
}

async fn begin(
    servers: &Arc<Servers>,
    dice: &Arc<Dice>,
    number: usize,
    stop: &CancellationToken,
) -> Result<Replica, Box<dyn std::error::Error + Send + Sync>> {
    let outside = Outside {
        stores: servers.stores().await?,
        cache: Arc::new(servers.cache()),
        wake_ups: Arc::new(servers.wake_ups(Uuid::from_u128(number as u128))),
        feed: Some(Arc::new(servers.feed())),
        clock: Arc::new(SkewedClock(number)),
        entropy: dice.clone(),
    };
    Ok(Replica::start(outside, stop).await?)
}
