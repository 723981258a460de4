//! Positions of flights, stored in batches.

use std::time::{Duration, Instant};

use albatross::adapters::{migrate, open};
use albatross::ports::track_store::Sample;
use albatross_tests::servers::servers;
use jiff::Timestamp;
use uuid::Uuid;

use crate::Effort;
use crate::load::clients;
use crate::table::{Bar, Table, median};

pub const BATCH: i32 = 100;
/// Flights that are airborne at once.
const FLIGHTS: usize = 16;

pub async fn measure(table: &mut Table, effort: Effort) {
    let database = servers().await.database().await;
    assert!(migrate(&database.url).await.unwrap() > 0);
    let mut rates = Vec::new();
    for _ in 0..effort.rounds {
        rates.push(store(&database.url, effort.each).await);
    }
    let what = format!("positions stored on PostgreSQL, batches of {BATCH}, {FLIGHTS} flights");
    table.figure(&what, median(&rates), "/s", Bar::AtLeast(50_000.0));
}

async fn store(url: &str, each: Duration) -> f64 {
    let tracks = open(url).await.unwrap().tracks;
    let begun = Instant::now();
    // Each batch is a flight's first: how long a flight is makes no difference to its next batch.
    let run = clients(FLIGHTS, each, move || {
        let tracks = tracks.clone();
        async move {
            let samples = (0..BATCH).map(sample).collect();
            let (flight, batch) = (Uuid::new_v4(), Uuid::new_v4());
            let stored = tracks.store(flight, batch, [7; 32], Timestamp::UNIX_EPOCH, samples);
            stored.await.unwrap().stored as u64
        }
    })
    .await;
    run.events as f64 / begun.elapsed().as_secs_f64()
}

/// Of a flight that goes on and on.
pub fn sample(sequence: i32) -> Sample {
    Sample {
        sequence,
        time: Timestamp::from_second(1_700_000_000 + i64::from(sequence)).unwrap(),
        latitude_e7: 418_000_000 + sequence * 1_000,
        longitude_e7: 122_500_000 + sequence * 1_000,
        altitude_ft: Some(35_000),
        heading_deg: Some(90),
        ground_speed_kt: Some(450),
        indicated_airspeed_kt: Some(280),
        vertical_speed_fpm: Some(0),
        fuel_kg: Some(60_000),
        phase: Some("ENR".to_owned()),
    }
}
