//! How long to wait before the next try: doubling, bounded, with jitter so that many do not come back at once.

use std::time::Duration;

use crate::ports::clock::Entropy;

/// Waits that double from `first` to `longest` until [`Backoff::reset`].
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    pub fn next(&mut self, entropy: &dyn Entropy) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        jittered(wait, entropy)
    }

    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Between half of `duration` and all of it.
pub fn jittered(duration: Duration, entropy: &dyn Entropy) -> Duration {
    let mut random = [0; 4];
    entropy.fill(&mut random);
    let share = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
    duration.mul_f64(0.5 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backoff, jittered};
    use crate::ports::clock::Entropy;

    struct Always(u8);

    impl Entropy for Always {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_start_again_after_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let mut next = || backoff.next(&Always(0xff)).as_secs();
        assert_eq!([next(), next(), next(), next(), next()], [1, 2, 4, 5, 5]);
        backoff.reset();
        assert_eq!(backoff.next(&Always(0xff)).as_secs(), 1);
    }

    #[test]
    fn jitter_takes_away_half_at_most() {
        let second = Duration::from_secs(1);
        assert_eq!(jittered(second, &Always(0)), second / 2);
        assert_eq!(jittered(second, &Always(0xff)), second);
    }
}
