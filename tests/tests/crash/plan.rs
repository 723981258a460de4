//! How often and when a run kills.

use std::env;
use std::time::{Duration, Instant};

use albatross::ports::clock::Entropy;
use albatross_tests::random::Random;
use albatross_tests::wait::recovered;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::StatusCode;

use crate::load::{Flight, Load};

/// Kills of all tests together, unless the environment says otherwise.
const CYCLES: u32 = 50;
/// Acknowledged writes between two kills, at most.
const WRITES: usize = 60;
/// Between the last of them and the kill, at most.
const MOMENT: Duration = Duration::from_millis(20);

pub struct Plan {
    what: &'static str,
    pub cycles: u32,
    seed: u64,
    pub random: StdRng,
    begun: Instant,
}

impl Plan {
    /// This test's share of all kills, in hundredths.
    pub fn new(what: &'static str, share: u32) -> Self {
        let cycles = from_environment("ALBATROSS_CRASH_CYCLES").unwrap_or(CYCLES);
        let seed = from_environment("ALBATROSS_CRASH_SEED").unwrap_or_else(|| {
            let mut bytes = [0; 4];
            Random.fill(&mut bytes);
            u32::from_le_bytes(bytes)
        });
        println!("{what}: ALBATROSS_CRASH_SEED={seed}");
        Self {
            what,
            cycles: (cycles * share / 100).max(1),
            seed: seed.into(),
            random: StdRng::seed_from_u64(seed.into()),
            begun: Instant::now(),
        }
    }

    /// Returns at a random moment while writes are being acknowledged.
    pub async fn moment(&mut self, load: &Load) {
        let wanted = load.acknowledged() + self.random.random_range(1..=WRITES);
        recovered("writes are acknowledged again", async || {
            load.acknowledged() >= wanted
        })
        .await;
        let wait = self.random.random_range(0..=MOMENT.as_micros() as u64);
        tokio::time::sleep(Duration::from_micros(wait)).await;
    }

    /// Says what the run saw; `repeated` calls were repeated, and the log has so many events.
    pub fn summary(&self, flights: &[Flight], repeated: usize, events: i64) {
        let had_taken_effect = |flight: &&Flight| flight.filed.status == StatusCode::OK;
        println!(
            "saw: {}: {} kills in {:.0?}: {} flights acknowledged, {events} events, nothing lost; {repeated} calls repeated, \
             at least {} of them had filed a flight before their answer was lost; seed {}",
            self.what,
            self.cycles,
            self.begun.elapsed(),
            flights.len(),
            flights.iter().filter(had_taken_effect).count(),
            self.seed,
        );
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a run is repeated and lengthened by its environment"
)]
fn from_environment(name: &str) -> Option<u32> {
    let text = env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}
