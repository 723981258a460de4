//! The machine's randomness behind the runtime's port.

use std::sync::Arc;

use albatross::ports::clock::Entropy;
use albatross::ports::supervisor::Supervisor;
use rand::Rng;

pub struct Random;

impl Entropy for Random {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where a test takes it from"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

/// Keeps background tasks going.
pub fn supervisor() -> Supervisor {
    Supervisor::new(Arc::new(Random))
}
