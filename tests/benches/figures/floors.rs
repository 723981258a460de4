//! What no event store on this machine can undercut: the time of one flush, and of one question to PostgreSQL and its answer.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use albatross_tests::servers::servers;
use sqlx::{Connection, PgConnection};

use crate::Effort;
use crate::table::{Bar, Table, median};

/// In each round.
const TIMES: u64 = 500;
/// PostgreSQL flushes pages of its write-ahead log, whose file has its length already.
const PAGE: usize = 8 * 1024;

pub async fn measure(table: &mut Table, effort: Effort) {
    let database = servers().await.database().await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(&vec![0; PAGE * TIMES as usize], 0)
        .unwrap();
    file.sync_all().unwrap();
    let (mut flushes, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        flushes.extend((0..TIMES).map(|page| flush(&file, page)));
        for _ in 0..TIMES {
            let asked = Instant::now();
            connection.ping().await.unwrap();
            answers.push(microseconds(asked));
        }
    }
    connection.close().await.unwrap();
    let what = "the machine: one flush of 8 KiB (fdatasync)";
    table.figure(what, median(&flushes), "µs", Bar::None);
    let what =
        "the machine: a question without a statement to PostgreSQL over loopback, and its answer";
    table.figure(what, median(&answers), "µs", Bar::None);
}

/// How long it took to write a page and to know that it is on the disk.
fn flush(file: &File, page: u64) -> f64 {
    let begun = Instant::now();
    file.write_all_at(&[7; PAGE], page * PAGE as u64).unwrap();
    file.sync_data().unwrap();
    microseconds(begun)
}

fn microseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e6
}
