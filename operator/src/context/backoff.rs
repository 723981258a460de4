//! How long to wait before the next attempt at one object: longer after each failure, never in step with others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::context::system::{Entropy, random};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// After so many failures in a row one more does not pass by itself.
const LASTING: u32 = 3;

/// Failures in a row, per object.
pub struct Backoff {
    entropy: Arc<dyn Entropy>,
    failures: Mutex<HashMap<String, u32>>,
}

impl Backoff {
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self {
            entropy,
            failures: Mutex::default(),
        }
    }

    /// After one more failure of `object`.
    pub fn after_failure(&self, object: &str) -> Duration {
        let failures = {
            let mut map = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            let failures = map.entry(object.to_owned()).or_default();
            *failures = failures.saturating_add(1);
            *failures
        };
        let delay = FIRST
            .saturating_mul(1 << (failures - 1).min(6))
            .min(LONGEST);
        self.spread(delay)
    }

    /// Failures of `object` in a row so far.
    pub fn failures(&self, object: &str) -> u32 {
        let map = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        map.get(object).copied().unwrap_or(0)
    }

    /// Whether one more failure of `object` is worth being told; one that passes is not.
    pub fn is_lasting(&self, object: &str) -> bool {
        self.failures(object) >= LASTING
    }

    pub fn forget(&self, object: &str) {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(object);
    }

    /// Between 75 % and 125 % of `delay`.
    pub fn spread(&self, delay: Duration) -> Duration {
        let [byte] = random::<1>(self.entropy.as_ref());
        delay.mul_f64(0.75 + f64::from(byte) / 510.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Middle;

    impl Entropy for Middle {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(127);
        }
    }

    #[test]
    fn delays_grow_to_a_limit_and_start_over() {
        let backoff = Backoff::new(Arc::new(Middle));
        let seconds: Vec<u64> = (0..9)
            .map(|_| backoff.after_failure("a").as_secs_f64().round() as u64)
            .collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff.after_failure("b").as_secs_f64().round() as u64, 1);
        backoff.forget("a");
        assert_eq!(backoff.after_failure("a").as_secs_f64().round() as u64, 1);
    }
}
