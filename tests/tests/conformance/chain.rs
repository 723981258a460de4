//! The hash chain: the same in every store, and nobody changes the log unseen.

use std::path::Path;

use albatross::adapters::chain::{self, VerifyError};
use rstest::rstest;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use uuid::Uuid;

use crate::fixture::*;

#[rstest]
#[tokio::test]
async fn an_untouched_log_verifies(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = storage(adapter).await;
    let empty = chain::verify(&*storage.events).await.unwrap();
    assert_eq!((empty.events, empty.hash), (0, chain::GENESIS));
    fill(&storage).await;
    let verified = chain::verify(&*storage.events).await.unwrap();
    assert_eq!((verified.events, verified.commits), (6, 3));
    let links = storage.events.chain_after(0, 10).await.unwrap();
    assert_eq!(
        links.iter().map(|link| link.position).collect::<Vec<_>>(),
        [2, 3, 6]
    );
    assert_eq!(storage.events.chain_after(2, 1).await.unwrap(), links[1..2]);
}

/// Three commits: positions 1–2, 3, 4–6.
async fn fill(storage: &Storage) {
    let stream = Uuid::new_v4();
    for (version, count) in [(0, 2), (2, 1), (3, 3)] {
        storage
            .events
            .append(append(stream, version, count))
            .await
            .unwrap();
    }
}

#[rstest]
#[case::payload(
    "UPDATE events SET payload = x'00' WHERE position = 3",
    "positions 3 to 3"
)]
#[case::actor(
    "UPDATE events SET actor = 'other' WHERE position = 5",
    "positions 4 to 6"
)]
#[case::time(
    "UPDATE events SET recorded_at = recorded_at + 1 WHERE position = 1",
    "positions 1 to 2"
)]
#[case::absent_id(
    "UPDATE events SET correlation_id = NULL WHERE position = 2",
    "positions 1 to 2"
)]
#[case::removed("DELETE FROM events WHERE position = 5", "position 5 is missing")]
#[case::cut("DELETE FROM events WHERE position > 4", "position 5 is missing")]
#[case::link(
    "UPDATE log_chain SET hash = zeroblob(32) WHERE position = 3",
    "positions 3 to 3"
)]
#[case::unlinked(
    "DELETE FROM log_chain WHERE position = 6",
    "position 4 is not covered"
)]
#[tokio::test]
async fn what_is_changed_by_hand_is_found(#[case] tampering: &'static str, #[case] found: &str) {
    let storage = storage(Sqlite).await;
    fill(&storage).await;
    execute(&storage, tampering).await;
    let error = chain::verify(&*storage.events).await.unwrap_err();
    assert!(error.to_string().contains(found), "{error}");
}

#[tokio::test]
async fn one_changed_byte_on_the_disk_is_found() {
    let storage = storage(Sqlite).await;
    let mut marked = append(Uuid::new_v4(), 0, 1);
    marked.events[0].payload = b"a mark that occurs once".to_vec();
    storage.events.append(marked).await.unwrap();
    execute(&storage, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    let copy = tempfile::tempdir().unwrap();
    let from = storage.url.strip_prefix("sqlite:").unwrap();
    let mut bytes = std::fs::read(Path::new(from).join("log.db")).unwrap();
    let mark = bytes
        .windows(6)
        .position(|window| window == b"a mark")
        .unwrap();
    bytes[mark] ^= 1;
    std::fs::write(copy.path().join("log.db"), bytes).unwrap();
    let url = format!("sqlite:{}", copy.path().display());
    let tampered = albatross::adapters::open(&url).await.unwrap();
    let found = chain::verify(&*tampered.events).await;
    assert!(
        matches!(found, Err(VerifyError::Altered { first: 1, last: 1 })),
        "{found:?}"
    );
}

async fn execute(storage: &Storage, sql: &'static str) {
    let directory = storage.url.strip_prefix("sqlite:").unwrap();
    let mut connection = SqliteConnection::connect(&format!("sqlite:{directory}/log.db"))
        .await
        .unwrap();
    sqlx::query(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}
