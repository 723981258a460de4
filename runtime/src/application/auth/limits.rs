//! How often somebody may try to log in: by account and by address.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::application::error::ServiceError;

const ACCOUNT_BURST: NonZeroU32 = NonZeroU32::new(10).unwrap();
const ACCOUNT_EVERY: Duration = Duration::from_secs(30);
const ADDRESS_BURST: NonZeroU32 = NonZeroU32::new(40).unwrap();
const ADDRESS_EVERY: Duration = Duration::from_secs(5);
/// Beyond this many keys, those that are as good as new are forgotten.
const CROWD: usize = 10_000;

/// Attempts to log in, counted within this process.
pub struct LogInLimits {
    accounts: DefaultKeyedRateLimiter<Vec<u8>>,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
}

impl Default for LogInLimits {
    fn default() -> Self {
        Self {
            accounts: RateLimiter::keyed(quota(ACCOUNT_BURST, ACCOUNT_EVERY)),
            addresses: RateLimiter::keyed(quota(ADDRESS_BURST, ADDRESS_EVERY)),
            clock: DefaultClock::default(),
        }
    }
}

impl LogInLimits {
    /// Counts an attempt on the account with this claim.
    pub fn check_account(&self, claim: &[u8]) -> Result<(), ServiceError> {
        if self.accounts.len() > CROWD {
            self.accounts.retain_recent();
        }
        self.accounts
            .check_key(&claim.to_vec())
            .map_err(|until| self.refusal(until.wait_time_from(self.clock.now())))
    }

    /// Counts an attempt from this address.
    pub fn check_address(&self, client: IpAddr) -> Result<(), ServiceError> {
        if self.addresses.len() > CROWD {
            self.addresses.retain_recent();
        }
        self.addresses
            .check_key(&network(client))
            .map_err(|until| self.refusal(until.wait_time_from(self.clock.now())))
    }

    fn refusal(&self, retry_after: Duration) -> ServiceError {
        ServiceError::TooManyRequests { retry_after }
    }
}

fn quota(burst: NonZeroU32, every: Duration) -> Quota {
    // A period of zero is the only one that is refused.
    Quota::with_period(every)
        .unwrap_or(Quota::per_minute(burst))
        .allow_burst(burst)
}

/// One subscriber of IPv6 has a /64 at least.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_takes_ten_attempts_and_says_when_to_come_back() {
        let limits = LogInLimits::default();
        for _ in 0..10 {
            limits.check_account(b"ada").unwrap();
        }
        let refused = limits.check_account(b"ada");
        let Err(ServiceError::TooManyRequests { retry_after }) = refused else {
            panic!("{refused:?}")
        };
        assert!(retry_after > Duration::ZERO && retry_after <= ACCOUNT_EVERY);
        limits.check_account(b"bob").unwrap();
    }

    #[test]
    fn neighbours_in_one_ipv6_network_are_one_client() {
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let other: IpAddr = "2001:db8::ffff:2".parse().unwrap();
        assert_eq!(network(one), network(other));
        let v4: IpAddr = "::ffff:203.0.113.9".parse().unwrap();
        assert_eq!(network(v4), "203.0.113.9".parse::<IpAddr>().unwrap());
    }
}
