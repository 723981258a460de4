//! Waiting for a condition, with a limit, instead of sleeping and hoping.

use std::time::Duration;

use tokio::time::Instant;

/// Generous: a limit ends a broken test, and says nothing about speed.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Returns once `condition` holds.
///
/// # Panics
/// After [`LIMIT`], naming what did not come true.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !condition().await {
        assert!(
            Instant::now() < end,
            "waited {LIMIT:?} in vain until {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
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
