//! What PostgreSQL can do with many rows at once: binary `COPY` into a table of the same shape, 1,000 rows a commit.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::append::{ACTOR, PAYLOAD_BYTES};
use crate::load::Run;

const ROWS: i64 = 1_000;
/// As PostgreSQL counts: microseconds since 2000-01-01 UTC.
const UNIX_EPOCH: i64 = -946_684_800_000_000;

/// Into `bench.copied` of a database that [`crate::pgbench::Pgbench::prepare`] has made.
pub async fn run(url: &str, each: Duration) -> Run {
    static POSITION: AtomicI64 = AtomicI64::new(1);
    let mut connection = PgConnection::connect(url).await.unwrap();
    let mut run = Run::default();
    let begun = Instant::now();
    while begun.elapsed() < each {
        let asked = Instant::now();
        copy(&mut connection, POSITION.fetch_add(ROWS, Ordering::Relaxed)).await;
        run.latencies.push(asked.elapsed());
        run.events += ROWS as u64;
    }
    run.elapsed = begun.elapsed();
    connection.close().await.unwrap();
    run
}

async fn copy(connection: &mut PgConnection, first: i64) {
    let mut bytes = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for position in first..first + ROWS {
        row(&mut bytes, position);
    }
    bytes.extend((-1i16).to_be_bytes());
    let sql = "COPY bench.copied FROM STDIN (FORMAT binary)";
    let mut copy = connection.copy_in_raw(sql).await.unwrap();
    copy.send(bytes).await.unwrap();
    copy.finish().await.unwrap();
}

fn row(bytes: &mut Vec<u8>, position: i64) {
    let (stream, event, command) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    let fields: [Option<&[u8]>; 12] = [
        Some(&position.to_be_bytes()),
        Some(stream.as_bytes()),
        Some(&1i32.to_be_bytes()),
        Some(&1i16.to_be_bytes()),
        Some(&1i16.to_be_bytes()),
        Some(event.as_bytes()),
        Some(command.as_bytes()),
        None,
        None,
        Some(ACTOR.as_bytes()),
        Some(&UNIX_EPOCH.to_be_bytes()),
        Some(&[7; PAYLOAD_BYTES]),
    ];
    bytes.extend((fields.len() as i16).to_be_bytes());
    for field in fields {
        let length = field.map_or(-1, |it| it.len() as i32);
        bytes.extend(length.to_be_bytes());
        bytes.extend(field.unwrap_or_default());
    }
}
