//! A directory of three SQLite files: the log, the read model (disposable) and the telemetry.

mod append;
mod credentials;
mod database;
mod documents;
mod event_store;
mod flight_logs;
mod import;
mod packed_tracks;
mod read_model;
mod rebuild;
mod restored;
mod rows;
mod shapes;
mod single;
mod size;
mod track_store;
mod writer;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteSynchronous;

use crate::adapters::erasures::FileErasures;
use crate::adapters::stores::{OpenError, Stores};
use database::Database;
use event_store::SqliteLog;
use read_model::SqliteReadModel;
use size::SqliteStorage;
use track_store::SqliteTracks;

static LOG: Migrator = sqlx::migrate!("../migrations/sqlite/log");
static READ: Migrator = sqlx::migrate!("../migrations/sqlite/read");
static TRACK: Migrator = sqlx::migrate!("../migrations/sqlite/track");

pub const LOG_FILE: &str = "log.db";
const READ_FILE: &str = "read.db";
const TRACK_FILE: &str = "track.db";
const ERASED: &str = "erased";
const REBUILD_LOCK: &str = "rebuild.lock";

/// A directory without a log is no airline's.
pub fn must_exist(directory: &Path) -> Result<(), OpenError> {
    let path = directory.join(LOG_FILE);
    if path.is_file() {
        return Ok(());
    }
    let reason = "there is no log here: name the directory of one airline".to_owned();
    Err(OpenError::File { path, reason })
}

/// Opens the directory; what is missing of it is made, what is old is migrated.
pub async fn open(directory: &Path) -> Result<Stores, OpenError> {
    let writable = |error| OpenError::Directory {
        path: directory.to_owned(),
        reason: format!("{error}"),
    };
    tokio::fs::create_dir_all(directory)
        .await
        .map_err(writable)?;
    let file = |name| directory.join(name);
    let log = open_durable(&file(LOG_FILE), &LOG).await?;
    let read = open_read_model(&file(READ_FILE)).await?;
    let noticed = restored::notice(&file(LOG_FILE), &log, &read).await;
    noticed.map_err(OpenError::Unreadable)?;
    let track = open_durable(&file(TRACK_FILE), &TRACK).await?;
    let schema_version = log.schema_version;
    let files = [log.clone(), read.clone(), track.clone()];
    let log = Arc::new(SqliteLog::start(log).await?);
    Ok(Stores {
        events: log.clone(),
        credentials: log.clone(),
        import: log,
        read_model: Arc::new(SqliteReadModel::new(read, &file(REBUILD_LOCK))),
        tracks: Arc::new(SqliteTracks::start(track)),
        storage: Arc::new(SqliteStorage::of(
            [LOG_FILE, READ_FILE, TRACK_FILE].map(file),
        )),
        erasures: Some(Arc::new(FileErasures::at(&file(ERASED)))),
        schema_version,
        close: Arc::new(move || {
            let files = files.clone();
            Box::pin(async move {
                for file in files {
                    file.close().await;
                }
            })
        }),
    })
}

/// What is acknowledged is on the disk: a write waits for it.
async fn open_durable(path: &Path, migrator: &Migrator) -> Result<Database, OpenError> {
    Database::open(path, migrator, SqliteSynchronous::Full).await
}

/// Everything in it follows from the log: a damaged one is set aside and made anew.
async fn open_read_model(path: &Path) -> Result<Database, OpenError> {
    let open = || Database::open(path, &READ, SqliteSynchronous::Normal);
    let (path, reason) = match open().await {
        Err(OpenError::Damaged { path, reason }) => (path, reason),
        opened => return opened,
    };
    let aside = path.with_extension("db.damaged");
    let set_aside = async {
        tokio::fs::rename(&path, &aside).await?;
        for beside in ["db-wal", "db-shm"] {
            match tokio::fs::remove_file(path.with_extension(beside)).await {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    };
    if let Err(error) = set_aside.await {
        let reason = format!("{reason}, and it cannot be set aside: {error}");
        return Err(OpenError::Damaged { path, reason });
    }
    let (path, aside) = (path.display(), aside.display());
    tracing::warn!(%path, %aside, reason, "the read model is damaged: set aside, and made anew from the log");
    open().await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As <https://sqlite.org/pragma.html#pragma_synchronous> numbers them.
    const NORMAL: i64 = 1;
    const FULL: i64 = 2;

    async fn synchronous(database: &Database) -> i64 {
        let mut writing = database.writer.acquire().await.unwrap();
        let setting = sqlx::query_scalar("PRAGMA synchronous");
        setting.fetch_one(&mut *writing).await.unwrap()
    }

    #[tokio::test]
    async fn what_cannot_be_made_anew_is_on_the_disk_before_it_is_acknowledged() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name| directory.path().join(name);
        for (name, migrator) in [(LOG_FILE, &LOG), (TRACK_FILE, &TRACK)] {
            let durable = open_durable(&file(name), migrator).await.unwrap();
            assert_eq!(synchronous(&durable).await, FULL);
        }
        let disposable = open_read_model(&file(READ_FILE)).await.unwrap();
        assert_eq!(synchronous(&disposable).await, NORMAL);
    }
}
