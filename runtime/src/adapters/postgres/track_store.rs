//! Telemetry in PostgreSQL, in the schema `track`.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgExecutor, Row, query, query_scalar};
use uuid::Uuid;

use crate::adapters::failure::store_error;
use crate::adapters::limits;
use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::{flight_logs, packed_tracks, rows};
use crate::ports::event_store::StoreError;
use crate::ports::track_store::{Extent, LogLine, Sample, Stored, TrackError, TrackStore, page};

const STORE: &str = "SELECT * FROM track.store(\
     $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

/// The positions of one tenant's flights.
pub struct PostgresTracks {
    pool: Connections,
}

impl PostgresTracks {
    pub fn new(pool: Connections) -> Self {
        Self { pool }
    }

    async fn unpack_and_store(&self, batch: &Batch) -> Result<Option<Stored>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        packed_tracks::unpack(&mut transaction, batch.flight).await?;
        let stored = batch.store(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(stored)
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
        let batch = Batch {
            flight,
            batch_id,
            digest,
            received_at,
            samples,
        };
        let mut stored = batch.store(&self.pool).await;
        if stored.as_ref().is_err_and(is_packed) {
            stored = self.unpack_and_store(&batch).await;
        }
        match stored {
            Ok(answer) => answer.ok_or(TrackError::BatchReused),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Err(TrackError::BatchReused)
            }
            Err(error) => Err(TrackError::Unavailable(store_error(error))),
        }
    }

    async fn samples(
        &self,
        flight: Uuid,
        after: Option<i32>,
        limit: usize,
    ) -> Result<Vec<Sample>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let rows = limits::rows(limit);
        let samples = packed_tracks::samples(&mut connection, flight, after, rows).await;
        let samples = samples.map_err(store_error)?;
        if !samples.is_empty() {
            return Ok(samples);
        }
        let packed = packed_tracks::packed(&mut connection, flight).await;
        let packed = packed.map_err(store_error)?;
        Ok(page(packed.unwrap_or_default(), after, limit))
    }

    async fn extents(&self, flights: &[Uuid]) -> Result<HashMap<Uuid, Extent>, StoreError> {
        let sql = "SELECT flight, samples, last_sequence, received_at FROM track.flights \
             WHERE samples > 0 AND flight = ANY($1)";
        let rows = query(sql).bind(flights).fetch_all(&self.pool).await?;
        let extents = rows.iter().map(|row| {
            let extent = Extent {
                count: row.try_get(1)?,
                last_sequence: row.try_get(2)?,
                last_received_at: row.try_get::<Option<_>, _>(3)?.map(rows::time),
            };
            Ok((row.try_get(0)?, extent))
        });
        extents.collect()
    }

    async fn store_log(&self, flight: Uuid, lines: Vec<LogLine>) -> Result<usize, StoreError> {
        let mut connection = self.pool.acquire().await?;
        Ok(flight_logs::store(&mut connection, flight, &lines).await?)
    }

    async fn log(
        &self,
        flight: Uuid,
        after: Option<i32>,
        limit: usize,
    ) -> Result<Vec<LogLine>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let rows = limits::rows(limit);
        Ok(flight_logs::lines(&mut connection, flight, after, rows).await?)
    }

    async fn with_logs(&self, flights: &[Uuid]) -> Result<HashSet<Uuid>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        Ok(flight_logs::present(&mut connection, flights).await?)
    }

    async fn unpacked(&self) -> Result<Vec<Uuid>, StoreError> {
        let query = query_scalar(packed_tracks::UNPACKED);
        Ok(query.fetch_all(&self.pool).await?)
    }

    async fn pack(&self, flight: Uuid) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let packed = packed_tracks::pack(&mut transaction, flight).await?;
        transaction.commit().await?;
        Ok(packed)
    }
}

struct Batch {
    flight: Uuid,
    batch_id: Uuid,
    digest: [u8; 32],
    received_at: Timestamp,
    samples: Vec<Sample>,
}

impl Batch {
    /// None: the batch id was used for another batch.
    async fn store(&self, executor: impl PgExecutor<'_>) -> Result<Option<Stored>, sqlx::Error> {
        let query = query(STORE)
            .bind(self.batch_id)
            .bind(self.flight)
            .bind(&self.digest[..])
            .bind(rows::pg_time(self.received_at));
        packed_tracks::bind(query, &self.samples)
            .try_map(answer)
            .fetch_one(executor)
            .await
    }
}

/// `track.store` refuses batches of a packed flight.
fn is_packed(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.as_deref() == Some("AL001")
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
