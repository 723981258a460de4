//! The machine's randomness behind the runtime's port.

use albatross::ports::clock::Entropy;
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
