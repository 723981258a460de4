//! Positions of flights, stored in batches and read as a whole.

use std::time::{Duration, Instant};

use albatross::adapters::{migrate, open};
use albatross::http::pireps::track::Track;
use albatross::ports::track_store::{Sample, TrackStore};
use albatross_tests::servers::servers;
use jiff::Timestamp;
use uuid::Uuid;

use crate::Effort;
use crate::load::clients;
use crate::table::{Bar, Table, median};

const BATCH: i32 = 100;
/// Flights that are airborne at once.
const FLIGHTS: usize = 16;
/// Positions of a flight of seven hours, one a second.
const LONG: i32 = 7 * 3_600;

pub async fn measure(table: &mut Table, effort: Effort) {
    let database = servers().await.database().await;
    assert!(migrate(&database.url).await.unwrap() > 0);
    let mut rates = Vec::new();
    for _ in 0..effort.rounds {
        rates.push(store(&database.url, effort.each).await);
    }
    let what = format!("positions stored on PostgreSQL, batches of {BATCH}, {FLIGHTS} flights");
    table.figure(&what, median(&rates), "/s", Bar::AtLeast(50_000.0));
    read(table, &database.url, effort.rounds).await;
}

/// The answer to whoever asks for a long flight's track, before it is decided and after.
async fn read(table: &mut Table, url: &str, rounds: usize) {
    let tracks = open(url).await.unwrap().tracks;
    let flight = Uuid::new_v4();
    for begin in (0..LONG).step_by(BATCH as usize) {
        let samples = (begin..begin + BATCH).map(sample).collect();
        let batch = Uuid::new_v4();
        let stored = tracks.store(flight, batch, [7; 32], Timestamp::UNIX_EPOCH, samples);
        stored.await.unwrap();
    }
    for form in ["single rows", "packed"] {
        if form == "packed" {
            assert!(tracks.pack(flight).await.unwrap());
        }
        let mut milliseconds = Vec::new();
        for _ in 0..rounds {
            let asked = Instant::now();
            let answer = geo_json(&*tracks, flight).await;
            milliseconds.push(asked.elapsed().as_secs_f64() * 1e3);
            assert!(answer.len() > LONG as usize);
        }
        let what = format!("track of {LONG} positions as GeoJSON, {form}");
        table.figure(&what, median(&milliseconds), "ms", Bar::None);
    }
}

async fn geo_json(tracks: &dyn TrackStore, flight: Uuid) -> Vec<u8> {
    let samples = tracks.samples(flight, None, LONG as usize).await.unwrap();
    assert_eq!(samples.len(), LONG as usize);
    serde_json::to_vec(&Track::from(samples)).unwrap()
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

fn sample(sequence: i32) -> Sample {
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
