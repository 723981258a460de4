//! How often one caller may ask, and the headers that say so (draft-ietf-httpapi-ratelimit-headers).

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::response::Response;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use http::HeaderValue;

use crate::http::problem::{Problem, kind};

/// Which limit a route falls under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Attempts to log in or to register, by client address.
    Credentials,
    /// Positions of one flight.
    Telemetry,
    /// Everything else, by caller.
    General,
}

/// How many requests a second in the long run, and how many at once.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Requests that are refilled within `window`.
    pub requests: NonZeroU32,
    pub window: Duration,
}

/// The limits of one airline.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    pub credentials: Rate,
    pub telemetry: Rate,
    pub general: Rate,
    /// Wrong keys and sessions, by client address.
    pub failures: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        let rate = |requests, seconds| Rate {
            requests: NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN),
            window: Duration::from_secs(seconds),
        };
        Self {
            credentials: rate(20, 60),
            telemetry: rate(600, 60),
            general: rate(1_200, 60),
            // A whole airline may share one address: a few clients with a stale key, retrying each second, shut out nobody.
            failures: rate(300, 60),
        }
    }
}

type Limiter =
    RateLimiter<String, DefaultKeyedStateStore<String>, DefaultClock, StateInformationMiddleware>;

/// One airline's limiters.
pub struct RateLimits {
    credentials: Bucket,
    telemetry: Bucket,
    general: Bucket,
}

struct Bucket {
    name: &'static str,
    rate: Rate,
    limiter: Limiter,
    checks: AtomicU32,
}

impl RateLimits {
    pub fn new(rates: Rates) -> Self {
        Self {
            credentials: Bucket::new("credentials", rates.credentials),
            telemetry: Bucket::new("telemetry", rates.telemetry),
            general: Bucket::new("general", rates.general),
        }
    }

    /// Counts one request of `caller`; refuses it when there were too many.
    pub fn check(&self, policy: Policy, caller: String) -> Result<Headers, Problem> {
        match policy {
            Policy::Credentials => self.credentials.check(caller),
            Policy::Telemetry => self.telemetry.check(caller),
            Policy::General => self.general.check(caller),
        }
    }
}

impl Bucket {
    /// After this many checks, callers that were not seen for a while are forgotten.
    const SWEEP_EVERY: u32 = 10_000;

    fn new(name: &'static str, rate: Rate) -> Self {
        let quota = Quota::with_period(rate.window / rate.requests.get())
            .unwrap_or(Quota::per_second(rate.requests))
            .allow_burst(rate.requests);
        Self {
            name,
            rate,
            limiter: RateLimiter::keyed(quota).with_middleware(),
            checks: AtomicU32::new(0),
        }
    }

    fn check(&self, caller: String) -> Result<Headers, Problem> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % Self::SWEEP_EVERY == Self::SWEEP_EVERY - 1
        {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key(&caller) {
            Ok(snapshot) => Ok(self.headers(&snapshot)),
            Err(refused) => {
                let wait = refused.wait_time_from(DefaultClock::default().now());
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                let headers = self.describe(0, seconds);
                let mut problem = Problem::new(kind::RATE_LIMITED)
                    .detail(format!(
                        "at most {} requests in {} s",
                        self.rate.requests,
                        self.rate.window.as_secs()
                    ))
                    .retry_after(seconds.max(1));
                for (name, value) in headers.0 {
                    problem = problem.header(http::HeaderName::from_static(name), value);
                }
                Err(problem)
            }
        }
    }

    fn headers(&self, snapshot: &StateSnapshot) -> Headers {
        let remaining = snapshot.remaining_burst_capacity();
        let missing = self.rate.requests.get().saturating_sub(remaining);
        let refill = self.rate.window.as_secs_f64() * f64::from(missing)
            / f64::from(self.rate.requests.get());
        self.describe(remaining, refill.ceil() as u64)
    }

    fn describe(&self, remaining: u32, refilled_in: u64) -> Headers {
        let policy = format!(
            "\"{}\";q={};w={}",
            self.name,
            self.rate.requests,
            self.rate.window.as_secs()
        );
        let state = format!("\"{}\";r={remaining};t={refilled_in}", self.name);
        Headers(
            [("ratelimit-policy", policy), ("ratelimit", state)]
                .into_iter()
                .filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?)))
                .collect(),
        )
    }
}

/// What the response tells about the limit.
pub struct Headers(Vec<(&'static str, HeaderValue)>);

impl Headers {
    pub fn apply(self, response: &mut Response) {
        for (name, value) in self.0 {
            response.headers_mut().insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[test]
    fn callers_are_counted_apart_and_told_when_to_return() {
        let rate = Rate {
            requests: NonZeroU32::new(2).unwrap(),
            window: Duration::from_secs(60),
        };
        let limits = RateLimits::new(Rates {
            credentials: rate,
            ..Rates::default()
        });
        let ask = |caller: &str| limits.check(Policy::Credentials, caller.to_owned());
        assert!(ask("a").is_ok());
        let mut response = ().into_response();
        ask("a")
            .unwrap_or_else(|_| panic!("allowed"))
            .apply(&mut response);
        assert_eq!(
            response.headers()["ratelimit-policy"],
            "\"credentials\";q=2;w=60"
        );
        assert_eq!(response.headers()["ratelimit"], "\"credentials\";r=0;t=60");
        let refused = ask("a").err().unwrap().into_response();
        assert_eq!(refused.status(), 429);
        let wait = refused.headers()["retry-after"].to_str().unwrap();
        assert!((1..=30).contains(&wait.parse().unwrap()), "{wait} s");
        assert!(ask("b").is_ok());
        assert!(limits.check(Policy::General, "a".to_owned()).is_ok());
    }
}
