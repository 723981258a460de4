//! A stop, and a start with everything there already.

use std::time::Duration;

use albatross_tests::bench::processor;
use albatross_tests::wait::until_in;
use tokio::time::Instant;

use crate::fleet::Fleet;

const LIMIT: Duration = Duration::from_secs(300);

pub struct Restart {
    pub released: bool,
    /// From the start of the process until it had nothing left to do.
    pub elapsed: Duration,
    pub writes: usize,
    pub requests: usize,
    pub mebibytes: f64,
}

/// `meanwhile` is done while no operator runs.
pub async fn measure<T>(fleet: &mut Fleet<'_>, meanwhile: impl AsyncFnOnce() -> T) -> (T, Restart) {
    fleet.stop().await;
    let released = fleet.platform.leader().await.is_empty();
    let done = meanwhile().await;
    fleet.log.take();
    let begun = Instant::now();
    fleet.operator = Some(fleet.platform.operator().await);
    let tenants = fleet.names.len() as f64;
    until_in(LIMIT, "every tenant is looked at", async || {
        fleet.operator().reconciliations().await >= tenants
    })
    .await;
    let elapsed = fleet.settled().await - begun;
    let asked = fleet.log.take();
    asked.tell();
    let restart = Restart {
        released,
        elapsed,
        writes: asked.writes,
        requests: asked.requests,
        mebibytes: processor::resident_mebibytes(fleet.operator().process.id()),
    };
    (done, restart)
}
