//! Waiting for a condition, with a limit, instead of sleeping and hoping.

use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

/// Generous: a limit ends a broken test, and says nothing about speed.
pub const LIMIT: Duration = Duration::from_secs(90);
/// The same after an outage: longer than anything waits before it tries again.
pub const RECOVERY: Duration = Duration::from_secs(180);
/// Between two looks, ever longer: who is asked has other things to do.
const PAUSES: RangeInclusive<Duration> = Duration::from_millis(5)..=Duration::from_millis(80);

/// Returns once `condition` holds.
///
/// # Panics
/// After [`LIMIT`], naming what did not come true.
pub async fn until(what: &str, condition: impl AsyncFnMut() -> bool) {
    until_in(LIMIT, what, condition).await;
}

/// The same after an outage.
///
/// # Panics
/// After [`RECOVERY`], naming what did not come true.
pub async fn recovered(what: &str, condition: impl AsyncFnMut() -> bool) {
    until_in(RECOVERY, what, condition).await;
}

/// The same, for what takes its time by design.
///
/// # Panics
/// After `limit`, naming what did not come true.
pub async fn until_in(limit: Duration, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + limit;
    let mut pause = *PAUSES.start();
    while !condition().await {
        assert!(
            Instant::now() < end,
            "waited {limit:?} in vain until {what}"
        );
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(*PAUSES.end());
    }
}

/// The outcome of `future`.
///
/// # Panics
/// After [`LIMIT`], naming what did not happen.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, future).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("waited {LIMIT:?} in vain for {what}"),
    }
}
