//! Lines of flights' ACARS logs.

use std::collections::HashSet;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Error, Row, query, query_scalar};
use uuid::Uuid;

use crate::adapters::postgres::rows;
use crate::ports::track_store::LogLine;

/// How many of the lines were new.
pub async fn store(
    connection: &mut PgConnection,
    flight: Uuid,
    lines: &[LogLine],
) -> Result<usize, Error> {
    fn each<T>(lines: &[LogLine], value: impl Fn(&LogLine) -> T) -> Vec<T> {
        lines.iter().map(value).collect()
    }
    let sql = "INSERT INTO track.log_lines \
         SELECT DISTINCT ON (l.sequence) $1, l.sequence, l.time, l.sealed \
         FROM unnest($2, $3, $4) WITH ORDINALITY AS l(sequence, time, sealed, n) \
         ORDER BY l.sequence, l.n ON CONFLICT DO NOTHING";
    let insert = query(sql)
        .bind(flight)
        .bind(each(lines, |line| line.sequence))
        .bind(each(lines, |line| rows::pg_time(line.time)))
        .bind(each(lines, |line| line.sealed.clone()));
    let done = insert.execute(connection).await?;
    Ok(done.rows_affected() as usize)
}

/// The lines of a flight after a sequence number.
pub async fn lines(
    connection: &mut PgConnection,
    flight: Uuid,
    after: Option<i32>,
    limit: i64,
) -> Result<Vec<LogLine>, Error> {
    let sql = "SELECT sequence, time, sealed FROM track.log_lines \
         WHERE flight = $1 AND ($2 IS NULL OR sequence > $2) ORDER BY sequence LIMIT $3";
    let query = query(sql).bind(flight).bind(after).bind(limit);
    query.try_map(line).fetch_all(connection).await
}

/// Those of the flights that have any lines.
pub async fn present(
    connection: &mut PgConnection,
    flights: &[Uuid],
) -> Result<HashSet<Uuid>, Error> {
    let sql = "SELECT f FROM unnest($1) AS f \
         WHERE EXISTS (SELECT FROM track.log_lines l WHERE l.flight = f)";
    let present: Vec<Uuid> = query_scalar(sql)
        .bind(flights)
        .fetch_all(connection)
        .await?;
    Ok(present.into_iter().collect())
}

fn line(row: PgRow) -> Result<LogLine, Error> {
    Ok(LogLine {
        sequence: row.try_get(0)?,
        time: rows::time(row.try_get(1)?),
        sealed: row.try_get(2)?,
    })
}
