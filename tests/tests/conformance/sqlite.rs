//! What only SQLite can do to us: another process that has the file.

use std::time::Duration;

use albatross::ports::event_store::AppendError;
use futures::future::join_all;
use sqlx::{Connection, SqliteConnection, query};
use uuid::Uuid;

use crate::fixture::*;

/// Each attempt waits for the lock; twenty in turn would wait for longer than anybody.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn while_another_process_writes_without_end_writers_are_told_and_readers_read() {
    let storage = storage(Sqlite).await;
    let stream = Uuid::new_v4();
    storage.events.append(append(stream, 0, 1)).await.unwrap();
    let file = format!("{}/log.db", storage.url);
    let mut other = SqliteConnection::connect(&file).await.unwrap();
    query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let begun: Vec<_> = (0..20).map(|_| append(Uuid::new_v4(), 0, 1)).collect();
    let appends = begun.iter().map(|it| storage.events.append(it.clone()));
    let told = tokio::time::timeout(PATIENCE, join_all(appends)).await;
    for answer in told.expect("everybody is told while it is locked") {
        assert!(
            matches!(answer, Err(AppendError::Unavailable(_))),
            "{answer:?}"
        );
    }
    assert_eq!(
        storage.events.read_stream(stream, 0).await.unwrap().len(),
        1
    );
    query("ROLLBACK").execute(&mut other).await.unwrap();
    for (append, position) in begun.into_iter().zip(2..) {
        let appended = storage.events.append(append).await.unwrap();
        assert_eq!(appended.position, position);
    }
}
