//! A long flight's track, which holds its profile, as whoever asks for it is answered: from single rows and packed, beside
//! what PostgreSQL makes of the same rows.

use std::time::Instant;

use albatross::adapters::{migrate, open};
use albatross::http::pireps::track::Track;
use albatross::ports::track_store::TrackStore;
use albatross_tests::servers::servers;
use futures::TryStreamExt;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;

use crate::Effort;
use crate::table::{Bar, Table, median};
use crate::telemetry::{BATCH, sample};

/// Positions of a flight of seven hours, one a second.
const LONG: i32 = 7 * 3_600;
/// In each round.
const READS: u32 = 10;

/// The same answer by PostgreSQL itself, which none but the server's functions touch.
const BY_POSTGRES: &str = "SELECT json_build_object('type', 'FeatureCollection', 'features', json_build_array( \
     json_build_object('type', 'Feature', \
     'geometry', json_build_object('type', 'LineString', \
         'coordinates', json_agg(json_build_array(longitude_e7 / 1e7::float8, latitude_e7 / 1e7::float8))), \
     'properties', json_build_object( \
         'times', json_agg(time), 'altitudesFt', json_agg(altitude_ft), \
         'groundSpeedsKt', json_agg(ground_speed_kt), 'headingsDeg', json_agg(heading_deg), \
         'verticalSpeedsFpm', json_agg(vertical_speed_fpm), 'fuelsKg', json_agg(fuel_kg), \
         'phases', json_agg(phase)))))::text \
     FROM (SELECT * FROM track.positions WHERE flight = $1 ORDER BY sequence) AS of_flight";
const SCAN: &str = "SELECT * FROM track.positions WHERE flight = $1 ORDER BY sequence";

pub async fn measure(table: &mut Table, effort: Effort) {
    let database = servers().await.database().await;
    assert!(migrate(&database.url).await.unwrap() > 0);
    let stores = open(&database.url).await.unwrap();
    let tracks = &*stores.tracks;
    let [single, packed] = [flown(tracks).await, flown(tracks).await];
    assert!(tracks.pack(packed).await.unwrap());
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    assert_same(tracks, [single, packed], &mut connection).await;
    let [mut rows, mut values, mut by_postgres, mut scans] = [const { Vec::new() }; 4];
    for _ in 0..effort.rounds {
        rows.push(per_second(async || geo_json(tracks, single).await.len()).await);
        values.push(per_second(async || geo_json(tracks, packed).await.len()).await);
        by_postgres.push(per_second(async || json(&mut connection, single).await.len()).await);
        scans.push(per_second(async || scan(&mut connection, single).await).await);
    }
    connection.close().await.unwrap();
    let track = format!("track of {LONG} positions as GeoJSON with its profile");
    let (scan, postgres) = (
        "raw SELECT scan of its rows",
        "PostgreSQL's own JSON of its rows",
    );
    for (form, rates, least) in [
        ("single rows", &rows, [0.55, 1.0]),
        ("packed", &values, [2.0, 4.0]),
    ] {
        for (peer, theirs, least) in [(scan, &scans, least[0]), (postgres, &by_postgres, least[1])]
        {
            let what = format!("{track}, {form} ÷ {peer}");
            table.beside(&what, [rates, theirs], "/s", Bar::AtLeast(least));
        }
        let milliseconds = 1e3 / median(rates);
        table.figure(&format!("{track}, {form}"), milliseconds, "ms", Bar::None);
    }
}

/// A flight whose positions have arrived.
async fn flown(tracks: &dyn TrackStore) -> Uuid {
    let flight = Uuid::new_v4();
    for begin in (0..LONG).step_by(BATCH as usize) {
        let samples = (begin..begin + BATCH).map(sample).collect();
        let batch = Uuid::new_v4();
        let stored = tracks.store(flight, batch, [7; 32], Timestamp::UNIX_EPOCH, samples);
        stored.await.unwrap();
    }
    flight
}

/// Each peer answers what it is measured for. PostgreSQL writes times, and degrees without a fraction, in another way.
async fn assert_same(tracks: &dyn TrackStore, flights: [Uuid; 2], connection: &mut PgConnection) {
    let read = |text: &[u8]| {
        let mut track: Value = serde_json::from_slice(text).unwrap();
        let line = &mut track["features"][0];
        let times = line["properties"]["times"].take();
        assert_eq!(times.as_array().unwrap().len(), LONG as usize);
        let degrees = line["geometry"]["coordinates"].take();
        let degrees: Vec<[f64; 2]> = serde_json::from_value(degrees).unwrap();
        (track, degrees)
    };
    let by_postgres = read(json(connection, flights[0]).await.as_bytes());
    for flight in flights {
        assert!(read(&geo_json(tracks, flight).await) == by_postgres);
    }
}

/// How often somebody who asks again and again is answered.
async fn per_second(mut read: impl AsyncFnMut() -> usize) -> f64 {
    let begun = Instant::now();
    for _ in 0..READS {
        assert!(read().await > LONG as usize);
    }
    f64::from(READS) / begun.elapsed().as_secs_f64()
}

async fn geo_json(tracks: &dyn TrackStore, flight: Uuid) -> Vec<u8> {
    let samples = tracks.samples(flight, None, LONG as usize).await.unwrap();
    assert_eq!(samples.len(), LONG as usize);
    serde_json::to_vec(&Track::from(samples)).unwrap()
}

async fn json(connection: &mut PgConnection, flight: Uuid) -> String {
    let answer = sqlx::query_scalar(BY_POSTGRES).bind(flight);
    answer.fetch_one(connection).await.unwrap()
}

/// The bytes of the rows' phases, when nobody decodes anything else of them.
async fn scan(connection: &mut PgConnection, flight: Uuid) -> usize {
    let mut rows = sqlx::query(SCAN).bind(flight).fetch(connection);
    let mut bytes = 0;
    while let Some(row) = rows.try_next().await.unwrap() {
        bytes += row.get::<&str, _>("phase").len();
    }
    bytes
}
