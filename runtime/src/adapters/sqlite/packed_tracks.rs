//! Tracks in one compressed value each: packed, unpacked again, read.

use sqlx::sqlite::SqliteRow;
use sqlx::{Error, QueryBuilder, Row, Sqlite, SqliteConnection};
use uuid::Uuid;

use crate::adapters::sqlite::rows;
use crate::adapters::{batch, packing};
use crate::ports::track_store::Sample;

/// Rows of one statement: few sizes, so that few statements are prepared.
pub const CHUNKS: [usize; 4] = [256, 32, 4, 1];

/// The flights that have rows, found one by one in the primary key: its length does not matter.
pub const UNPACKED: &str = "WITH RECURSIVE found (flight) AS (\
     SELECT (SELECT flight FROM positions ORDER BY flight LIMIT 1) UNION ALL \
     SELECT (SELECT flight FROM positions WHERE flight > found.flight ORDER BY flight LIMIT 1) \
     FROM found WHERE found.flight IS NOT NULL\
     ) SELECT flight FROM found WHERE flight IS NOT NULL";

/// Replaces a flight's rows by one value, within the caller's transaction; false when there are none, or too many.
pub async fn pack(connection: &mut SqliteConnection, flight: Uuid) -> Result<bool, Error> {
    let count = "SELECT count(*) FROM positions WHERE flight = ?";
    let count = sqlx::query_scalar(count).bind(flight);
    let count: u32 = count.fetch_one(&mut *connection).await?;
    if count == 0 || count as usize > packing::MAX_SAMPLES {
        return Ok(false);
    }
    let samples = samples(connection, flight, None, i64::MAX).await?;
    let value = packing::pack(&samples).map_err(|error| Error::Encode(error.into()))?;
    let sql = "INSERT INTO packed (flight, samples) VALUES (?, ?) \
         ON CONFLICT (flight) DO UPDATE SET samples = excluded.samples";
    let insert = sqlx::query(sql).bind(flight).bind(value);
    insert.execute(&mut *connection).await?;
    if packed(connection, flight).await?.as_ref() != Some(&samples) {
        let reason = "what was packed does not read as what was stored";
        return Err(Error::Decode(reason.into()));
    }
    let delete = sqlx::query("DELETE FROM positions WHERE flight = ?").bind(flight);
    delete.execute(&mut *connection).await?;
    Ok(true)
}

/// Gives a packed flight its rows back, so that more can be stored. The value stays: rows count as long as there are any.
pub async fn unpack(connection: &mut SqliteConnection, flight: Uuid) -> Result<(), Error> {
    let rows = "SELECT 1 FROM positions WHERE flight = ? LIMIT 1";
    let row = sqlx::query(rows).bind(flight);
    if row.fetch_optional(&mut *connection).await?.is_some() {
        return Ok(());
    }
    let samples = packed(connection, flight).await?.unwrap_or_default();
    for chunk in batch::chunks(&samples, &CHUNKS) {
        insert(connection, flight, chunk).await?;
    }
    Ok(())
}

/// The samples of the packed value, if there is one.
pub async fn packed(
    connection: &mut SqliteConnection,
    flight: Uuid,
) -> Result<Option<Vec<Sample>>, Error> {
    let query = sqlx::query_scalar("SELECT samples FROM packed WHERE flight = ?").bind(flight);
    let value: Option<Vec<u8>> = query.fetch_optional(connection).await?;
    let samples = value.map(|value| packing::unpack(&value)).transpose();
    samples.map_err(|error| Error::Decode(error.into()))
}

/// The rows of a flight.
pub async fn samples(
    connection: &mut SqliteConnection,
    flight: Uuid,
    after: Option<i32>,
    limit: i64,
) -> Result<Vec<Sample>, Error> {
    let sql = "SELECT * FROM positions WHERE flight = ? AND sequence > ? ORDER BY sequence LIMIT ?";
    let query = sqlx::query(sql)
        .bind(flight)
        .bind(after.map_or(i64::MIN, i64::from))
        .bind(limit);
    query.try_map(sample).fetch_all(connection).await
}

/// How many of the samples were new.
pub async fn insert(
    connection: &mut SqliteConnection,
    flight: Uuid,
    samples: &[Sample],
) -> Result<usize, Error> {
    let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO positions ");
    query.push_values(samples, |mut row, sample| {
        row.push_bind(flight)
            .push_bind(sample.sequence)
            .push_bind(sample.time.as_microsecond())
            .push_bind(sample.latitude_e7)
            .push_bind(sample.longitude_e7)
            .push_bind(sample.altitude_ft)
            .push_bind(sample.heading_deg)
            .push_bind(sample.ground_speed_kt)
            .push_bind(sample.indicated_airspeed_kt)
            .push_bind(sample.vertical_speed_fpm)
            .push_bind(sample.fuel_kg)
            .push_bind(sample.phase.as_deref());
    });
    query.push(" ON CONFLICT DO NOTHING");
    let done = query.build().execute(connection).await?;
    Ok(done.rows_affected() as usize)
}

fn sample(row: SqliteRow) -> Result<Sample, Error> {
    Ok(Sample {
        sequence: row.try_get("sequence")?,
        time: rows::time(row.try_get("time")?)?,
        latitude_e7: row.try_get("latitude_e7")?,
        longitude_e7: row.try_get("longitude_e7")?,
        altitude_ft: row.try_get("altitude_ft")?,
        heading_deg: row.try_get("heading_deg")?,
        ground_speed_kt: row.try_get("ground_speed_kt")?,
        indicated_airspeed_kt: row.try_get("indicated_airspeed_kt")?,
        vertical_speed_fpm: row.try_get("vertical_speed_fpm")?,
        fuel_kg: row.try_get("fuel_kg")?,
        phase: row.try_get("phase")?,
    })
}
