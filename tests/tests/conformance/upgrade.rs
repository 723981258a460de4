//! Tracks that were stored before there were packed ones: found after the migration, and packed like any other.

use std::borrow::Cow;
use std::path::Path;

use albatross::adapters::{migrate, open};
use albatross_tests::servers::servers;
use albatross_tests::wait::within;
use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection, SqliteConnection, query, raw_sql};
use uuid::Uuid;

use crate::fixture::time;
use crate::packed_tracks::samples;

/// The migrations up to `version`, as an earlier release had them.
async fn migrator_until(directory: &str, version: i64) -> Migrator {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut migrator = Migrator::new(directory).await.unwrap();
    let earlier = migrator.iter().filter(|m| m.version <= version).cloned();
    migrator.migrations = Cow::Owned(earlier.collect());
    migrator
}

/// A sample, with the columns that the first release knew.
const INSERT: &str =
    "INSERT INTO positions VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

/// When the last of its batches came, in microseconds.
const HEARD: i64 = 700;

#[tokio::test]
async fn tracks_of_an_earlier_postgres_schema_are_found_and_packed() {
    let database = servers().await.database().await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let mut earlier = migrator_until("../migrations/postgres", 6).await;
    earlier.create_schema("log");
    earlier.dangerous_set_table_name("log.schema_migrations");
    earlier
        .run_direct(None, &mut connection, false)
        .await
        .unwrap();
    let flight = Uuid::new_v4();
    let insert = INSERT
        .replace("positions", "track.positions")
        .replace("$3", "to_timestamp(0) + $3 * interval '1 microsecond'");
    for it in samples(0..100) {
        query(sqlx::AssertSqlSafe(insert.clone()))
            .bind(flight)
            .bind(it.sequence)
            .bind(it.time.as_microsecond())
            .bind(it.latitude_e7)
            .bind(it.longitude_e7)
            .bind(it.altitude_ft)
            .bind(it.heading_deg)
            .bind(it.ground_speed_kt)
            .bind(it.indicated_airspeed_kt)
            .bind(it.vertical_speed_fpm)
            .bind(it.fuel_kg)
            .bind(it.phase)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let flights = query("INSERT INTO track.flights VALUES ($1, 100, 99)").bind(flight);
    flights.execute(&mut connection).await.unwrap();
    for received_at in [3, HEARD, 5] {
        let sql = "INSERT INTO track.position_batches \
             VALUES ($1, $2, '', to_timestamp(0) + $3 * interval '1 microsecond', 1, 0, 1, 0)";
        let batch = query(sql).bind(Uuid::new_v4()).bind(flight);
        let batch = batch.bind(received_at).execute(&mut connection);
        batch.await.unwrap();
    }
    connection.close().await.unwrap();
    assert!(migrate(&database.url).await.unwrap() > 6);
    holds_and_packs(&database.url, flight).await;
}

/// Whatever the number of batches, processes of the release before store positions until it has ended.
#[tokio::test]
async fn positions_are_stored_while_it_is_looked_when_flights_were_heard_of() {
    const FILL: &str = include_str!("../../../migrations/postgres/0012_heard_before.sql");
    let database = servers().await.database().await;
    migrate(&database.url).await.unwrap();
    let tracks = open(&database.url).await.unwrap().tracks;
    let [before, new] = [Uuid::new_v4(), Uuid::new_v4()];
    let store = async |flight, at| {
        let batch = tracks.store(flight, Uuid::new_v4(), [1; 32], time(at), samples(0..9));
        within("a batch to be stored", batch).await.unwrap();
    };
    store(before, 5).await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let forget = query("UPDATE track.flights SET received_at = NULL");
    forget.execute(&mut connection).await.unwrap();
    let mut filling = connection.begin().await.unwrap();
    raw_sql(FILL).execute(&mut *filling).await.unwrap();
    store(new, 7).await;
    filling.commit().await.unwrap();
    let extents = tracks.extents(&[before, new]).await.unwrap();
    let heard = [before, new].map(|flight| extents[&flight].last_received_at);
    assert_eq!(heard, [Some(time(5)), Some(time(7))]);
}

#[tokio::test]
async fn tracks_of_an_earlier_sqlite_schema_are_found_and_packed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("track.db");
    let url = format!("sqlite:{}?mode=rwc", file.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let earlier = migrator_until("../migrations/sqlite/track", 1).await;
    earlier
        .run_direct(None, &mut connection, false)
        .await
        .unwrap();
    let flight = Uuid::new_v4();
    for it in samples(0..100) {
        query(INSERT)
            .bind(flight)
            .bind(it.sequence)
            .bind(it.time.as_microsecond())
            .bind(it.latitude_e7)
            .bind(it.longitude_e7)
            .bind(it.altitude_ft)
            .bind(it.heading_deg)
            .bind(it.ground_speed_kt)
            .bind(it.indicated_airspeed_kt)
            .bind(it.vertical_speed_fpm)
            .bind(it.fuel_kg)
            .bind(it.phase)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let flights = query("INSERT INTO flights VALUES ($1, 100, 99)").bind(flight);
    flights.execute(&mut connection).await.unwrap();
    for received_at in [3, HEARD, 5] {
        let sql = "INSERT INTO position_batches VALUES ($1, $2, x'00', $3, 1, 0, 1, 0)";
        let batch = query(sql).bind(Uuid::new_v4()).bind(flight);
        let batch = batch.bind(received_at).execute(&mut connection);
        batch.await.unwrap();
    }
    connection.close().await.unwrap();
    let url = format!("sqlite:{}", directory.path().display());
    migrate(&url).await.unwrap();
    holds_and_packs(&url, flight).await;
}

/// Before and after packing, and with what comes late.
async fn holds_and_packs(url: &str, flight: Uuid) {
    let tracks = open(url).await.unwrap().tracks;
    let extent = tracks.extents(&[flight]).await.unwrap()[&flight];
    assert_eq!(extent.last_received_at, Some(time(HEARD)));
    let read = tracks.samples(flight, None, 1_000).await.unwrap();
    assert_eq!(read, samples(0..100));
    assert!(tracks.pack(flight).await.unwrap());
    let read = tracks.samples(flight, None, 1_000).await.unwrap();
    assert_eq!(read, samples(0..100));
    let late = tracks.store(flight, Uuid::new_v4(), [1; 32], time(5), samples(90..120));
    assert_eq!(late.await.unwrap().count, 120);
    let read = tracks.samples(flight, None, 1_000).await.unwrap();
    assert_eq!(read, samples(0..120));
}
