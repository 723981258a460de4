//! Simulated time with clocks that disagree and go back, and randomness out of a seed.

use std::sync::Mutex;
use std::time::Duration;

use albatross::ports::clock::{Clock, Entropy};
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Since the simulation began.
pub fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// Of the replica with this number: the first goes ahead and is set back by seconds halfway through the storm.
pub struct SkewedClock(pub usize);

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let elapsed = now();
        let skew = match self.0 {
            0 if elapsed < Duration::from_secs(30) => 4,
            0 => -3,
            _ => 0,
        };
        let micros = i64::try_from(elapsed.as_micros()).unwrap_or_default();
        start + SignedDuration::from_micros(micros) + SignedDuration::from_secs(skew)
    }
}

pub struct Dice(Mutex<StdRng>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Entropy for Dice {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap().fill_bytes(bytes);
    }
}
