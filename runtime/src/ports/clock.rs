//! Time and randomness, as parameters.

use jiff::Timestamp;

/// Tells the time. Wall clock in production, a fixed one in tests.
pub trait Clock: Send + Sync {
    /// The current time, UTC, with the log's precision of one microsecond.
    fn now(&self) -> Timestamp;
}

/// A source of cryptographically secure randomness.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with random values.
    fn fill(&self, bytes: &mut [u8]);
}
