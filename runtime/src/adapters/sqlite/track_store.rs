//! Telemetry in SQLite, in a durable file of its own behind its own combiner.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};
use uuid::Uuid;

use crate::adapters::combiner::{Backend, Combiner};
use crate::adapters::failure::{Failure, store_error};
use crate::adapters::sqlite::database::Database;
use crate::adapters::sqlite::packed_tracks::{self, CHUNKS};
use crate::adapters::sqlite::{flight_logs, rows};
use crate::adapters::{batch, limits};
use crate::ports::event_store::StoreError;
use crate::ports::track_store::{Extent, LogLine, Sample, Stored, TrackError, TrackStore, page};

/// The positions of one tenant's flights.
pub struct SqliteTracks {
    database: Database,
    combiner: Combiner<Writer>,
}

impl SqliteTracks {
    pub fn start(database: Database) -> Self {
        let writer = Writer {
            database: database.clone(),
        };
        Self {
            database,
            combiner: Combiner::start(writer),
        }
    }
}

#[async_trait]
impl TrackStore for SqliteTracks {
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
        self.combiner.submit(batch).await
    }

    async fn samples(
        &self,
        flight: Uuid,
        after: Option<i32>,
        limit: usize,
    ) -> Result<Vec<Sample>, StoreError> {
        let mut connection = self.database.reader.acquire().await?;
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
        let mut extents = HashMap::new();
        for chunk in batch::chunks(flights, &CHUNKS) {
            let mut query = QueryBuilder::<Sqlite>::new(
                "SELECT flight, samples, last_sequence, received_at FROM flights \
                 WHERE samples > 0 AND flight IN (",
            );
            let mut ids = query.separated(", ");
            for flight in chunk {
                ids.push_bind(*flight);
            }
            query.push(")");
            let rows = query.build().fetch_all(&self.database.reader).await?;
            for row in rows {
                let received_at: Option<i64> = row.try_get(3)?;
                let extent = Extent {
                    count: row.try_get(1)?,
                    last_sequence: row.try_get(2)?,
                    last_received_at: received_at.map(rows::time).transpose()?,
                };
                extents.insert(row.try_get(0)?, extent);
            }
        }
        Ok(extents)
    }

    async fn store_log(&self, flight: Uuid, lines: Vec<LogLine>) -> Result<usize, StoreError> {
        let mut transaction = self.database.writer.begin().await?;
        let stored = flight_logs::store(&mut transaction, flight, &lines).await?;
        transaction.commit().await?;
        Ok(stored)
    }

    async fn log(
        &self,
        flight: Uuid,
        after: Option<i32>,
        limit: usize,
    ) -> Result<Vec<LogLine>, StoreError> {
        let mut connection = self.database.reader.acquire().await?;
        let rows = limits::rows(limit);
        Ok(flight_logs::lines(&mut connection, flight, after, rows).await?)
    }

    async fn with_logs(&self, flights: &[Uuid]) -> Result<HashSet<Uuid>, StoreError> {
        let mut connection = self.database.reader.acquire().await?;
        Ok(flight_logs::present(&mut connection, flights).await?)
    }

    async fn unpacked(&self) -> Result<Vec<Uuid>, StoreError> {
        let query = sqlx::query_scalar(packed_tracks::UNPACKED);
        Ok(query.fetch_all(&self.database.reader).await?)
    }

    async fn pack(&self, flight: Uuid) -> Result<bool, StoreError> {
        let mut transaction = self.database.writer.begin().await?;
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

struct Writer {
    database: Database,
}

#[async_trait]
impl Backend for Writer {
    type Command = Batch;
    type Answer = Result<Stored, TrackError>;

    /// Batches execute in order, and see each other within their transaction.
    fn keys(_: &Batch) -> Vec<u64> {
        Vec::new()
    }

    fn weight(batch: &Batch) -> usize {
        batch.samples.len() * 64
    }

    async fn execute(&self, batches: &[Batch]) -> Result<Vec<Self::Answer>, Failure> {
        let mut transaction = self.database.writer.begin().await?;
        let mut answers = Vec::with_capacity(batches.len());
        for batch in batches {
            let answer = match first_answer(&mut transaction, batch).await? {
                Some(answer) => answer,
                None => Ok(store(&mut transaction, batch).await?),
            };
            answers.push(answer);
        }
        transaction.commit().await?;
        Ok(answers)
    }

    fn unavailable(error: StoreError) -> Self::Answer {
        Err(TrackError::Unavailable(error))
    }
}

async fn first_answer(
    connection: &mut SqliteConnection,
    batch: &Batch,
) -> Result<Option<Result<Stored, TrackError>>, sqlx::Error> {
    let query =
        sqlx::query("SELECT * FROM position_batches WHERE batch_id = ?").bind(batch.batch_id);
    let Some(row) = query.fetch_optional(connection).await? else {
        return Ok(None);
    };
    let same = row.try_get::<Uuid, _>("flight")? == batch.flight
        && row.try_get::<&[u8], _>("digest")? == batch.digest;
    if !same {
        return Ok(Some(Err(TrackError::BatchReused)));
    }
    let size = |name| Ok::<_, sqlx::Error>(row.try_get::<u32, _>(name)? as usize);
    Ok(Some(Ok(Stored {
        stored: size("stored")?,
        duplicates: size("duplicates")?,
        count: row.try_get("samples")?,
        last_sequence: row.try_get("last_sequence")?,
    })))
}

async fn store(connection: &mut SqliteConnection, batch: &Batch) -> Result<Stored, sqlx::Error> {
    packed_tracks::unpack(connection, batch.flight).await?;
    let mut stored = 0;
    for chunk in batch::chunks(&batch.samples, &CHUNKS) {
        stored += packed_tracks::insert(connection, batch.flight, chunk).await?;
    }
    let sql = "INSERT INTO flights (flight, samples, last_sequence, received_at) VALUES (?, ?, ?, ?) \
         ON CONFLICT (flight) DO UPDATE SET samples = samples + excluded.samples, \
         received_at = max(coalesce(received_at, 0), excluded.received_at), \
         last_sequence = max(coalesce(last_sequence, excluded.last_sequence), coalesce(excluded.last_sequence, last_sequence)) \
         RETURNING samples, last_sequence";
    let row = sqlx::query(sql)
        .bind(batch.flight)
        .bind(stored as i64)
        .bind(batch.samples.iter().map(|sample| sample.sequence).max())
        .bind(batch.received_at.as_microsecond())
        .fetch_one(&mut *connection)
        .await?;
    let answer = Stored {
        stored,
        duplicates: batch.samples.len() - stored,
        count: row.try_get(0)?,
        last_sequence: row.try_get(1)?,
    };
    sqlx::query(
        "INSERT INTO position_batches (batch_id, flight, digest, received_at, stored, duplicates, samples, last_sequence) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(batch.batch_id)
    .bind(batch.flight)
    .bind(&batch.digest[..])
    .bind(batch.received_at.as_microsecond())
    .bind(answer.stored as i64)
    .bind(answer.duplicates as i64)
    .bind(answer.count)
    .bind(answer.last_sequence)
    .execute(connection)
    .await?;
    Ok(answer)
}
