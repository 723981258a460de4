//! One SQLite file: migrated when opened, one connection that writes, a few that read, and one that does neither while idle.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::sync::Mutex;

use crate::adapters::sqlite::writer::Writer;
use crate::adapters::stores::OpenError;

const READERS: u32 = 4;
/// An airline that nobody uses looks around every minute or so; each connection is a thread and a page cache meanwhile.
const IDLE: Duration = Duration::from_secs(5);
/// Only another process can hold the write lock for longer than a commit.
const BUSY: Duration = Duration::from_secs(5);

/// Of 4 KiB each. Whoever writes so much within few commits takes it into the file by itself; else somebody else does before.
const LONGEST_WAL_PAGES: u32 = 8_000;

#[derive(Clone)]
pub struct Database {
    pub writer: Writer,
    pub reader: SqlitePool,
    pub schema_version: i64,
    /// Open for as long as the file is: the first connection to a file needs room on its disk, also to read
    /// (<https://sqlite.org/wal.html>).
    anchor: Arc<Mutex<Option<SqliteConnection>>>,
}

impl Database {
    pub async fn open(
        path: &Path,
        migrator: &Migrator,
        synchronous: SqliteSynchronous,
    ) -> Result<Self, OpenError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(BUSY)
            .thread_name(|id| format!("sqlite-{id}"));
        let writer = options
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What is deleted, a person's data key for one, is not left in pages that are free.
            .pragma("secure_delete", "ON")
            .pragma("wal_autocheckpoint", LONGEST_WAL_PAGES.to_string())
            .synchronous(synchronous);
        let told = |error| explain(path, migrator, error);
        let schema_version = migrate(&writer, migrator).await.map_err(told)?;
        let anchor = anchor(&options).await;
        let anchor = anchor.map_err(|error| told(error.into()))?;
        Ok(Self {
            writer: Writer::new(writer, IDLE),
            reader: readers(options.pragma("query_only", "ON")),
            schema_version,
            anchor: Arc::new(Mutex::new(Some(anchor))),
        })
    }

    /// The last connection to a file takes its write-ahead log into it; only one that may write can.
    pub async fn close(self) {
        self.reader.close().await;
        self.writer.close().await;
        if let Some(anchor) = self.anchor.lock().await.take()
            && let Err(error) = anchor.close().await
        {
            tracing::warn!(%error, "a database file was not closed cleanly");
        }
    }
}

fn readers(options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .min_connections(0)
        .max_connections(READERS)
        .idle_timeout(IDLE)
        .test_before_acquire(false)
        .connect_lazy_with(options)
}

async fn migrate(options: &SqliteConnectOptions, migrator: &Migrator) -> Result<i64, MigrateError> {
    let mut connection = options.connect().await?;
    migrator.run_direct(None, &mut connection, false).await?;
    let applied = connection
        .list_applied_migrations(&migrator.table_name)
        .await?;
    connection.close().await?;
    Ok(applied
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0))
}

/// A connection that has the file open, and remembers as little as it can.
async fn anchor(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let options = options.clone().statement_cache_capacity(0);
    let mut connection = options.pragma("cache_size", "1").connect().await?;
    // A file is not open before something of it is read.
    connection.execute("PRAGMA schema_version").await?;
    Ok(connection)
}

/// One line that says which file, and what to do about it.
fn explain(path: &Path, migrator: &Migrator, error: MigrateError) -> OpenError {
    let known = migrator.iter().map(|m| m.version).max().unwrap_or(0);
    let mut damaged = false;
    let reason = match &error {
        MigrateError::VersionMissing(version) => {
            format!("it has schema {version}, this executable knows up to {known}: use a newer one")
        }
        MigrateError::Execute(sqlx::Error::Database(error))
        | MigrateError::ExecuteMigration(sqlx::Error::Database(error), _) => {
            let code = error.code().as_deref().and_then(primary_code);
            damaged = matches!(code, Some(11 | 26));
            match code {
                Some(8) => "it cannot be written: read-only".to_owned(),
                Some(10) => "its disk does not read or write: it may be full or failing".to_owned(),
                Some(11) => format!("the file is damaged: {}", error.message()),
                Some(13) => "the disk is full".to_owned(),
                Some(14) => {
                    "it cannot be opened or created: check owner and permissions".to_owned()
                }
                Some(26) => "it is not a database".to_owned(),
                _ => error.message().to_owned(),
            }
        }
        _ => error.to_string(),
    };
    let path = path.to_owned();
    match damaged {
        true => OpenError::Damaged { path, reason },
        false => OpenError::File { path, reason },
    }
}

/// Of an extended result code, the primary one (<https://sqlite.org/rescode.html>).
fn primary_code(code: &str) -> Option<u32> {
    Some(code.parse::<u32>().ok()? & 0xff)
}
