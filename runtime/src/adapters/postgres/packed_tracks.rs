//! Tracks in one compressed value each: packed, unpacked again, read.

use sqlx::postgres::{PgArguments, PgConnection, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{Error, Row, query, query_scalar};
use uuid::Uuid;

use crate::adapters::packing;
use crate::adapters::postgres::rows;
use crate::ports::track_store::Sample;

/// The flights that have rows, found one by one in the primary key: its length does not matter.
pub const UNPACKED: &str = "WITH RECURSIVE found (flight) AS (\
     SELECT (SELECT flight FROM track.positions ORDER BY flight LIMIT 1) UNION ALL \
     SELECT (SELECT flight FROM track.positions WHERE flight > found.flight ORDER BY flight LIMIT 1) \
     FROM found WHERE found.flight IS NOT NULL\
     ) SELECT flight FROM found WHERE flight IS NOT NULL";

/// Batches of this flight wait until the transaction ends.
const LOCK: &str = "SELECT samples FROM track.flights WHERE flight = $1 FOR UPDATE";

/// Replaces a flight's rows by one value, within the caller's transaction; false when there are none, or too many.
pub async fn pack(connection: &mut PgConnection, flight: Uuid) -> Result<bool, Error> {
    let lock = query_scalar(LOCK).bind(flight);
    let count: Option<i64> = lock.fetch_optional(&mut *connection).await?;
    if count.is_none_or(|count| count > packing::MAX_SAMPLES as i64) {
        return Ok(false);
    }
    let samples = samples(connection, flight, None, i64::MAX).await?;
    if samples.is_empty() {
        return Ok(false);
    }
    let value = packing::pack(&samples).map_err(|error| Error::Encode(error.into()))?;
    let sql = "INSERT INTO track.packed VALUES ($1, $2) \
         ON CONFLICT (flight) DO UPDATE SET samples = excluded.samples";
    let insert = query(sql).bind(flight).bind(value);
    insert.execute(&mut *connection).await?;
    if packed(connection, flight).await?.as_ref() != Some(&samples) {
        let reason = "what was packed does not read as what was stored";
        return Err(Error::Decode(reason.into()));
    }
    let delete = query("DELETE FROM track.positions WHERE flight = $1").bind(flight);
    delete.execute(&mut *connection).await?;
    Ok(true)
}

/// Gives a packed flight its rows back, so that more can be stored. The value stays: rows count as long as there are any.
pub async fn unpack(connection: &mut PgConnection, flight: Uuid) -> Result<(), Error> {
    let lock = query(LOCK).bind(flight);
    lock.execute(&mut *connection).await?;
    let sql = "SELECT EXISTS (SELECT FROM track.positions WHERE flight = $1)";
    let has_rows = query_scalar(sql).bind(flight);
    if has_rows.fetch_one(&mut *connection).await? {
        return Ok(());
    }
    let samples = packed(connection, flight).await?.unwrap_or_default();
    let sql = "INSERT INTO track.positions SELECT $1, s.* \
         FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) AS s";
    let insert = bind(query(sql).bind(flight), &samples);
    insert.execute(connection).await?;
    Ok(())
}

/// The samples of the packed value, if there is one.
pub async fn packed(
    connection: &mut PgConnection,
    flight: Uuid,
) -> Result<Option<Vec<Sample>>, Error> {
    let query = query_scalar("SELECT samples FROM track.packed WHERE flight = $1").bind(flight);
    let value: Option<Vec<u8>> = query.fetch_optional(connection).await?;
    let samples = value.map(|value| packing::unpack(&value)).transpose();
    samples.map_err(|error| Error::Decode(error.into()))
}

/// The rows of a flight.
pub async fn samples(
    connection: &mut PgConnection,
    flight: Uuid,
    after: Option<i32>,
    limit: i64,
) -> Result<Vec<Sample>, Error> {
    let sql = "SELECT * FROM track.positions \
         WHERE flight = $1 AND ($2 IS NULL OR sequence > $2) ORDER BY sequence LIMIT $3";
    let query = query(sql).bind(flight).bind(after).bind(limit);
    query.try_map(sample).fetch_all(connection).await
}

/// Binds an array for every column of the samples, in the order of the table.
pub fn bind<'q>(
    query: Query<'q, Postgres, PgArguments>,
    samples: &[Sample],
) -> Query<'q, Postgres, PgArguments> {
    fn each<T>(samples: &[Sample], value: impl Fn(&Sample) -> T) -> Vec<T> {
        samples.iter().map(value).collect()
    }
    // PostgreSQL's text holds no NUL.
    let phase = |text: &String| text.replace('\0', "\u{fffd}");
    query
        .bind(each(samples, |s| s.sequence))
        .bind(each(samples, |s| rows::pg_time(s.time)))
        .bind(each(samples, |s| s.latitude_e7))
        .bind(each(samples, |s| s.longitude_e7))
        .bind(each(samples, |s| s.altitude_ft))
        .bind(each(samples, |s| s.heading_deg))
        .bind(each(samples, |s| s.ground_speed_kt))
        .bind(each(samples, |s| s.indicated_airspeed_kt))
        .bind(each(samples, |s| s.vertical_speed_fpm))
        .bind(each(samples, |s| s.fuel_kg))
        .bind(each(samples, |s| s.phase.as_ref().map(phase)))
}

fn sample(row: PgRow) -> Result<Sample, Error> {
    Ok(Sample {
        sequence: row.try_get("sequence")?,
        time: rows::time(row.try_get("time")?),
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
