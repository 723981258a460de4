//! What cannot be opened says why in one line; what was closed is found again.

use std::fs;
use std::path::Path;

use albatross::adapters::{migrate, open};
use albatross::ports::read_model::Checkpoint;
use rstest::rstest;
use sqlx::{Connection, SqliteConnection};
use uuid::Uuid;

use crate::fixture::*;
use crate::postgres::TABLE;

#[tokio::test]
async fn a_second_start_finds_everything_as_it_was() {
    let storage = storage(Sqlite).await;
    let stream = Uuid::new_v4();
    storage.events.append(append(stream, 0, 3)).await.unwrap();
    let head = storage.events.head().await.unwrap();
    let again = open(&storage.url).await.unwrap();
    assert_eq!(again.events.head().await.unwrap(), head);
    assert_eq!(again.events.appended().borrow().position, 3);
    assert_eq!(migrate(&storage.url).await.unwrap(), again.schema_version);
    let appended = again.events.append(append(stream, 3, 1)).await.unwrap();
    assert_eq!(appended.position, 4);
}

#[rstest]
#[case(
    "mysql://localhost/x",
    "\"mysql\"; use postgres://, sqlite: or memory:"
)]
#[case("sqlite:", "no directory")]
#[case("sqlite:/proc/nowhere", "cannot use directory /proc/nowhere")]
#[tokio::test]
async fn an_unusable_url_is_named(#[case] url: &str, #[case] reason: &str) {
    assert!(refusal(url).await.contains(reason));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("track.db"),
        "this is a letter, not a database\n".repeat(99),
    )
    .unwrap();
    let reason = refusal_in(directory.path()).await;
    assert!(
        reason.contains("track.db: it is not a database"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_damaged_file_is_named() {
    let storage = storage(Sqlite).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.db");
    copy_log(&storage, &path).await;
    let mut bytes = fs::read(&path).unwrap();
    bytes[110..4_000].fill(0xee);
    fs::write(&path, bytes).unwrap();
    let reason = refusal_in(directory.path()).await;
    assert!(reason.contains("log.db: the file is damaged"), "{reason}");
}

#[tokio::test]
async fn a_file_from_the_future_is_named() {
    let storage = storage(Sqlite).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.db");
    copy_log(&storage, &path).await;
    let mut connection = SqliteConnection::connect(&format!("sqlite:{}", path.display()))
        .await
        .unwrap();
    sqlx::query("UPDATE _sqlx_migrations SET version = 4711 WHERE version = 1")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let reason = refusal_in(directory.path()).await;
    assert!(reason.contains("log.db: it has schema 4711"), "{reason}");
}

#[tokio::test]
async fn a_directory_in_the_place_of_a_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("read.db")).unwrap();
    let reason = refusal_in(directory.path()).await;
    assert!(reason.contains("read.db: it cannot be opened"), "{reason}");
}

async fn refusal_in(directory: &Path) -> String {
    refusal(&format!("sqlite:{}", directory.display())).await
}

async fn refusal(url: &str) -> String {
    let reason = match open(url).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => error.to_string(),
    };
    assert!(!reason.contains('\n'), "one line: {reason}");
    reason
}

async fn copy_log(storage: &Storage, to: &Path) {
    let log = Path::new(storage.url.strip_prefix("sqlite:").unwrap()).join("log.db");
    let mut connection = SqliteConnection::connect(&format!("sqlite:{}", log.display()))
        .await
        .unwrap();
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    fs::copy(log, to).unwrap();
}

#[tokio::test]
async fn a_restored_file_begins_another_epoch_and_nothing_is_taken_for_projected() {
    let storage = storage(Sqlite).await;
    let stream = Uuid::new_v4();
    storage.events.append(append(stream, 0, 1)).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.db");
    copy_log(&storage, &path).await;
    storage.events.append(append(stream, 1, 2)).await.unwrap();
    let head = storage.events.head().await.unwrap();
    storage.read_model.prepare(&[&TABLE]).await.unwrap();
    let lane = storage.read_model.lock_lane("things").await.unwrap();
    let (epoch, position) = (head.epoch, head.position);
    let checkpoint = Checkpoint { epoch, position };
    let committed = lane.unwrap().commit(vec![], checkpoint).await;
    committed.unwrap();
    // A start over the same files is no restore, and neither is another process beside.
    let again = open(&storage.url).await.unwrap();
    assert_eq!(again.events.head().await.unwrap(), head);
    again.close().await;

    let own = Path::new(storage.url.strip_prefix("sqlite:").unwrap());
    storage.close().await;
    for beside in ["log.db-wal", "log.db-shm"] {
        let _ = fs::remove_file(own.join(beside));
    }
    fs::copy(&path, own.join("log.db")).unwrap();
    let restored = open(&storage.url).await.unwrap();
    let restored_head = restored.events.head().await.unwrap();
    assert_eq!(restored_head.position, 1);
    assert_ne!(restored_head.epoch, head.epoch);
    restored.close().await;
    let again = open(&storage.url).await.unwrap();
    assert_eq!(again.events.head().await.unwrap(), restored_head);
}

#[tokio::test]
async fn a_folder_that_is_put_back_whole_begins_another_epoch_and_one_that_is_renamed_does_not() {
    let data = tempfile::tempdir().unwrap();
    let [own, backup] = ["own", "backup"].map(|name| data.path().join(name));
    let url = format!("sqlite:{}", own.display());
    let stream = Uuid::new_v4();
    let written = async |version| {
        let stores = open(&url).await.unwrap();
        stores
            .events
            .append(append(stream, version, 1))
            .await
            .unwrap();
        let head = stores.events.head().await.unwrap();
        stores.close().await;
        head
    };
    let monday = written(0).await;
    copy_folder(&own, &backup);
    let tuesday = written(1).await;
    assert_eq!(tuesday.epoch, monday.epoch, "a start is no restore");
    let log = format!("sqlite:{}", own.join("log.db").display());
    let mut log = SqliteConnection::connect(&log).await.unwrap();
    sqlx::query("VACUUM").execute(&mut log).await.unwrap();
    log.close().await.unwrap();
    let aside = data.path().join("aside");
    fs::rename(&own, &aside).unwrap();
    fs::rename(&aside, &own).unwrap();
    assert_eq!(written(2).await.epoch, monday.epoch);

    fs::remove_dir_all(&own).unwrap();
    copy_folder(&backup, &own);
    let restored = written(1).await;
    assert_eq!(restored.position, tuesday.position);
    assert_ne!(restored.epoch, tuesday.epoch);
    assert_eq!(written(2).await.epoch, restored.epoch);
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let file = entry.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
