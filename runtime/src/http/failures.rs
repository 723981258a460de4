//! Wrong credentials by client address: who tries too many is refused before anything is looked up.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::http::problem::{Problem, kind};
use crate::http::rate_limit::Rate;

/// The failed attempts of every address, forgotten one by one as time passes (GCRA, as in `governor`, which cannot
/// look without counting).
pub struct Failures {
    rate: Rate,
    by_address: Mutex<ByAddress>,
}

#[derive(Default)]
struct ByAddress {
    /// When all failures of an address are forgotten.
    clean_at: HashMap<IpAddr, Instant>,
    counted: u32,
}

impl Failures {
    /// After this many failures, addresses that are clean again are forgotten.
    const SWEEP_EVERY: u32 = 10_000;

    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            by_address: Mutex::default(),
        }
    }

    /// Whether another attempt may be made from this address; counts nothing.
    ///
    /// # Errors
    /// `rate-limited` after too many failures.
    pub fn check(&self, address: IpAddr) -> Result<(), Problem> {
        let wait = self.wait(address, Instant::now());
        if wait.is_zero() {
            return Ok(());
        }
        let (most, window) = (self.rate.requests, self.rate.window.as_secs());
        let detail = format!(
            "too many wrong keys or sessions from this address: at most {most} in {window} s"
        );
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Err(Problem::new(kind::RATE_LIMITED)
            .detail(detail)
            .retry_after(seconds))
    }

    /// Counts a failed attempt.
    pub fn count(&self, address: IpAddr) {
        self.count_at(address, Instant::now());
    }

    /// How long until one more failure would fit into the window.
    fn wait(&self, address: IpAddr, now: Instant) -> Duration {
        let known = self
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let clean_at = known.clean_at.get(&network(address));
        let left = clean_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        (left + self.weight()).saturating_sub(self.rate.window)
    }

    fn count_at(&self, address: IpAddr, now: Instant) {
        let mut known = self
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.counted = known.counted.wrapping_add(1);
        if known.counted.is_multiple_of(Self::SWEEP_EVERY) {
            known.clean_at.retain(|_, at| *at > now);
        }
        let clean_at = known.clean_at.entry(network(address)).or_insert(now);
        *clean_at = (*clean_at).max(now) + self.weight();
    }

    /// How long it takes until one failure is forgotten.
    fn weight(&self) -> Duration {
        self.rate.window / self.rate.requests.get()
    }
}

/// Whoever has one IPv6 address has the 2^64 of its network.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn failures() -> Failures {
        Failures::new(Rate {
            requests: NonZeroU32::new(3).unwrap(),
            window: Duration::from_secs(60),
        })
    }

    #[test]
    fn as_many_as_the_rate_says_are_allowed_and_forgotten_one_by_one() {
        let (failures, begun) = (failures(), Instant::now());
        let address = "192.0.2.1".parse().unwrap();
        for _ in 0..3 {
            assert!(failures.wait(address, begun).is_zero());
            failures.count_at(address, begun);
        }
        assert_eq!(failures.wait(address, begun), Duration::from_secs(20));
        let other = "192.0.2.2".parse().unwrap();
        assert!(failures.wait(other, begun).is_zero());
        let later = begun + Duration::from_secs(20);
        assert!(failures.wait(address, later).is_zero());
        failures.count_at(address, later);
        assert!(!failures.wait(address, later).is_zero());
    }

    #[test]
    fn the_addresses_of_one_network_count_together() {
        let (failures, begun) = (failures(), Instant::now());
        for end in 1..4 {
            let address = format!("2001:db8::{end}").parse().unwrap();
            failures.count_at(address, begun);
        }
        let wait = |address: &str| failures.wait(address.parse().unwrap(), begun);
        assert!(!wait("2001:db8::ffff:1").is_zero());
        assert!(wait("2001:db8:0:1::1").is_zero());
    }
}
