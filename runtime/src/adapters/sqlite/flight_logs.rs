//! Lines of flights' ACARS logs.

use std::collections::HashSet;

use sqlx::sqlite::SqliteRow;
use sqlx::{Error, QueryBuilder, Row, Sqlite, SqliteConnection};
use uuid::Uuid;

use crate::adapters::batch;
use crate::adapters::sqlite::packed_tracks::CHUNKS;
use crate::adapters::sqlite::rows;
use crate::ports::track_store::LogLine;

/// How many of the lines were new.
pub async fn store(
    connection: &mut SqliteConnection,
    flight: Uuid,
    lines: &[LogLine],
) -> Result<usize, Error> {
    let mut stored = 0;
    for chunk in batch::chunks(lines, &CHUNKS) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO log_lines ");
        query.push_values(chunk, |mut row, line| {
            row.push_bind(flight)
                .push_bind(line.sequence)
                .push_bind(line.time.as_microsecond())
                .push_bind(&line.sealed[..]);
        });
        query.push(" ON CONFLICT DO NOTHING");
        let done = query.build().execute(&mut *connection).await?;
        stored += done.rows_affected() as usize;
    }
    Ok(stored)
}

/// The lines of a flight after a sequence number.
pub async fn lines(
    connection: &mut SqliteConnection,
    flight: Uuid,
    after: Option<i32>,
    limit: i64,
) -> Result<Vec<LogLine>, Error> {
    let sql = "SELECT sequence, time, sealed FROM log_lines \
         WHERE flight = ? AND sequence > ? ORDER BY sequence LIMIT ?";
    let query = sqlx::query(sql)
        .bind(flight)
        .bind(after.map_or(i64::MIN, i64::from))
        .bind(limit);
    query.try_map(line).fetch_all(connection).await
}

/// Those of the flights that have any lines.
pub async fn present(
    connection: &mut SqliteConnection,
    flights: &[Uuid],
) -> Result<HashSet<Uuid>, Error> {
    let mut present = HashSet::new();
    for chunk in batch::chunks(flights, &CHUNKS) {
        let mut query =
            QueryBuilder::<Sqlite>::new("SELECT DISTINCT flight FROM log_lines WHERE flight IN (");
        let mut ids = query.separated(", ");
        for flight in chunk {
            ids.push_bind(*flight);
        }
        query.push(")");
        let query = query.build_query_scalar();
        let flights: Vec<Uuid> = query.fetch_all(&mut *connection).await?;
        present.extend(flights);
    }
    Ok(present)
}

fn line(row: SqliteRow) -> Result<LogLine, Error> {
    Ok(LogLine {
        sequence: row.try_get(0)?,
        time: rows::time(row.try_get(1)?)?,
        sealed: row.try_get(2)?,
    })
}
