//! What the check of a cached API key adds to a request.

use std::time::Instant;

use albatross::adapters::memory;

use crate::table::{Bar, Table, median};
use crate::{Effort, airline};

const CHECKS: u32 = 20_000;

pub async fn measure(table: &mut Table, effort: Effort) {
    let airline = airline::over(&memory::open()).await;
    let pilot = airline::pilot(&airline, "bob").await;
    let key = airline::key(&airline, &pilot).await;
    let mut microseconds = Vec::new();
    for _ in 0..effort.rounds {
        let start = Instant::now();
        for _ in 0..CHECKS {
            airline.auth.by_key(&key).await.unwrap();
        }
        microseconds.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(CHECKS));
    }
    table.figure(
        "check of a cached API key",
        median(&microseconds),
        "µs",
        Bar::AtMost(20.0),
    );
    table.note("A key that was checked is known for a while within the process; with Redis, each process asks again after a second.");
}
