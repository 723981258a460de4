//! Telemetry in PostgreSQL, in the schema `track`.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{Row, query};
use uuid::Uuid;

use crate::adapters::postgres::rows;
use crate::ports::event_store::StoreError;
use crate::ports::track_store::{Extent, Sample, Stored, TrackError, TrackStore};

const STORE: &str = "SELECT * FROM track.store(\
     $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

/// The positions of one tenant's flights.
pub struct PostgresTracks {
    pool: PgPool,
}

impl PostgresTracks {
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl TrackStore for PostgresTracks {
    async fn store(
        &self,
        flight: Uuid,
        batch_id: Uuid,
        digest: [u8; 32],
        received_at: Timestamp,
        samples: Vec<Sample>,
    ) -> Result<Stored, TrackError> {
        let phase = |sample: &Sample| {
            sample
                .phase
                .as_ref()
                .map(|phase| phase.replace('\0', "\u{fffd}"))
        };
        let stored = query(STORE)
            .bind(batch_id)
            .bind(flight)
            .bind(&digest[..])
            .bind(rows::pg_time(received_at))
            .bind(samples.iter().map(|s| s.sequence).collect::<Vec<_>>())
            .bind(
                samples
                    .iter()
                    .map(|s| rows::pg_time(s.time))
                    .collect::<Vec<_>>(),
            )
            .bind(samples.iter().map(|s| s.latitude_e7).collect::<Vec<_>>())
            .bind(samples.iter().map(|s| s.longitude_e7).collect::<Vec<_>>())
            .bind(samples.iter().map(|s| s.altitude_ft).collect::<Vec<_>>())
            .bind(samples.iter().map(|s| s.heading_deg).collect::<Vec<_>>())
            .bind(
                samples
                    .iter()
                    .map(|s| s.ground_speed_kt)
                    .collect::<Vec<_>>(),
            )
            .bind(
                samples
                    .iter()
                    .map(|s| s.indicated_airspeed_kt)
                    .collect::<Vec<_>>(),
            )
            .bind(
                samples
                    .iter()
                    .map(|s| s.vertical_speed_fpm)
                    .collect::<Vec<_>>(),
            )
            .bind(samples.iter().map(|s| s.fuel_kg).collect::<Vec<_>>())
            .bind(samples.iter().map(phase).collect::<Vec<_>>())
            .try_map(answer)
            .fetch_one(&self.pool)
            .await;
        match stored {
            Ok(answer) => answer.ok_or(TrackError::BatchReused),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Err(TrackError::BatchReused)
            }
            Err(error) => Err(TrackError::Unavailable(error.into())),
        }
    }

    async fn samples(
        &self,
        flight: Uuid,
        after: Option<i32>,
        limit: usize,
    ) -> Result<Vec<Sample>, StoreError> {
        let sql = "SELECT * FROM track.positions \
             WHERE flight = $1 AND ($2 IS NULL OR sequence > $2) ORDER BY sequence LIMIT $3";
        let query = query(sql)
            .bind(flight)
            .bind(after)
            .bind(i64::try_from(limit)?);
        Ok(query.try_map(sample).fetch_all(&self.pool).await?)
    }

    async fn extents(&self, flights: &[Uuid]) -> Result<HashMap<Uuid, Extent>, StoreError> {
        let sql = "SELECT flight, samples, last_sequence FROM track.flights \
             WHERE samples > 0 AND flight = ANY($1)";
        let rows = query(sql).bind(flights).fetch_all(&self.pool).await?;
        let extents = rows.iter().map(|row| {
            let extent = Extent {
                count: row.try_get(1)?,
                last_sequence: row.try_get(2)?,
            };
            Ok((row.try_get(0)?, extent))
        });
        extents.collect()
    }
}

/// None: the batch id was used for another batch.
fn answer(row: PgRow) -> Result<Option<Stored>, sqlx::Error> {
    if row.try_get("reused")? {
        return Ok(None);
    }
    let size = |name| {
        let size: i32 = row.try_get(name)?;
        usize::try_from(size).map_err(|error| sqlx::Error::Decode(error.into()))
    };
    Ok(Some(Stored {
        stored: size("stored")?,
        duplicates: size("duplicates")?,
        count: row.try_get("samples")?,
        last_sequence: row.try_get("last_sequence")?,
    }))
}

fn sample(row: PgRow) -> Result<Sample, sqlx::Error> {
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
