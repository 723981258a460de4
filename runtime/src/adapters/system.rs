//! The system's clock and randomness: the one place of this crate that asks for them.

use jiff::Timestamp;
use rand::Rng;

use crate::ports::clock::{Clock, Entropy};

/// The wall clock, to the microsecond.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that all others take"
    )]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        // Truncated, never rounded up: time does not run ahead.
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

/// The thread's generator, seeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the randomness that all others take"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}
