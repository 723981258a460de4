//! The one connection of a process that writes to a SQLite file.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Error};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;

/// Commits after which the write-ahead log is taken into the file: thousands of pages if each is of many events.
const CHECKPOINT_EVERY: u32 = 250;
/// An erased person is in no file any more after so many looks, about a minute.
const TIDY_EVERY: u32 = 12;

/// Opened when somebody writes, closed when nobody did for a while. Not a pool: that asks a connection's thread about
/// each one that comes back, which costs a single commit as much again as a statement.
#[derive(Clone)]
pub struct Writer {
    options: Arc<SqliteConnectOptions>,
    idle: Duration,
    slot: Arc<Mutex<Slot>>,
}

#[derive(Default)]
struct Slot {
    /// None also while somebody writes.
    connection: Option<SqliteConnection>,
    /// Since the last look of whoever closes what is idle.
    used: bool,
    /// Somebody looks now and then whether it is idle.
    watched: bool,
    /// Since the write-ahead log was last begun to be taken into the file.
    commits: u32,
    /// Takes it there.
    checkpoint: Option<JoinHandle<()>>,
    closed: bool,
}

impl Writer {
    /// Closes the connection after `idle` without a write, at the latest after twice that.
    pub fn new(options: SqliteConnectOptions, idle: Duration) -> Self {
        let slot = Arc::default();
        Self {
            options: Arc::new(options),
            idle,
            slot,
        }
    }

    /// Waits for its turn. Each statement commits by itself.
    pub async fn acquire(&self) -> Result<Writing, Error> {
        let mut slot = self.slot.clone().lock_owned().await;
        if slot.closed {
            return Err(Error::PoolClosed);
        }
        slot.used = true;
        let connection = match slot.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        if !std::mem::replace(&mut slot.watched, true) {
            tokio::spawn(close_when_idle(Arc::downgrade(&self.slot), self.idle));
        }
        let writer = self.clone();
        Ok(Writing {
            connection,
            slot,
            writer,
        })
    }

    /// A transaction that holds the file's write lock from its beginning.
    pub async fn begin(&self) -> Result<Transaction, Error> {
        let mut writing = self.acquire().await?;
        execute(&mut writing, "BEGIN IMMEDIATE").await?;
        Ok(Transaction(writing))
    }

    /// Waits for what is under way; nothing is written afterwards.
    pub async fn close(&self) {
        let mut slot = self.slot.lock().await;
        slot.closed = true;
        if let Some(checkpoint) = slot.checkpoint.take() {
            drop(slot);
            // Whoever panicked has no connection any more either.
            let _ = checkpoint.await;
            slot = self.slot.lock().await;
        }
        close(&mut slot).await;
    }
}

/// Whoever has this is the only one in the process who writes. A connection that is not released is closed: whatever
/// it was in the middle of is rolled back.
pub struct Writing {
    connection: SqliteConnection,
    slot: OwnedMutexGuard<Slot>,
    writer: Writer,
}

impl Writing {
    pub fn release(self) {
        let Self {
            connection,
            mut slot,
            writer,
        } = self;
        slot.connection = Some(connection);
        slot.commits += 1;
        let running = slot.checkpoint.as_ref().is_some_and(|it| !it.is_finished());
        if slot.commits >= CHECKPOINT_EVERY && !running {
            slot.commits = 0;
            slot.checkpoint = Some(tokio::spawn(async move {
                if let Err(error) = checkpoint(&writer).await {
                    tracing::debug!(%error, "a write-ahead log was not taken into its file");
                }
            }));
        }
    }
}

impl Deref for Writing {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// Rolled back unless it is committed.
pub struct Transaction(Writing);

impl Transaction {
    pub async fn commit(mut self) -> Result<(), Error> {
        execute(&mut self.0, "COMMIT").await?;
        self.0.release();
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), Error> {
    sqlx::query(sql).execute(connection).await?;
    Ok(())
}

async fn close_when_idle(slot: Weak<Mutex<Slot>>, idle: Duration) {
    for looks in 1_u32.. {
        tokio::time::sleep(idle).await;
        let Some(slot) = slot.upgrade() else {
            return;
        };
        let mut slot = slot.lock().await;
        if !std::mem::take(&mut slot.used) {
            slot.watched = false;
            return tidy(&mut slot).await;
        }
        if looks.is_multiple_of(TIDY_EVERY) {
            tidy(&mut slot).await;
        }
    }
}

/// Takes the write-ahead log into the file, so that it begins anew. Most of it beside whoever writes, who would wait for the
/// disk for as long as for tens of commits; what was written meanwhile is little.
async fn checkpoint(writer: &Writer) -> Result<(), Error> {
    const TAKE: &str = "PRAGMA wal_checkpoint(PASSIVE)";
    let mut beside = writer.options.connect().await?;
    let taken = execute(&mut beside, TAKE).await;
    beside.close().await?;
    let mut writing = writer.acquire().await?;
    taken.and(execute(&mut writing, TAKE).await)?;
    writing.release();
    Ok(())
}

/// Empties the write-ahead log, which otherwise keeps what was deleted until something is written over it. Whoever reads
/// meanwhile is not waited for: then it is emptied the next time.
async fn tidy(slot: &mut Slot) {
    let Some(mut connection) = slot.connection.take() else {
        return;
    };
    let empty = "PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)";
    if let Err(error) = execute(&mut connection, empty).await {
        tracing::debug!(%error, "a write-ahead log was not emptied");
    }
    // The next one waits for others again.
    slot.connection = Some(connection);
    close(slot).await;
}

/// The last connection to a file takes its write-ahead log into it.
async fn close(slot: &mut Slot) {
    if let Some(connection) = slot.connection.take()
        && let Err(error) = connection.close().await
    {
        tracing::warn!(%error, "a database file was not closed cleanly");
    }
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
    use tempfile::TempDir;

    use super::*;

    async fn file(idle: Duration) -> (Writer, TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(directory.path().join("file.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Off)
            .pragma("wal_autocheckpoint", "0");
        let writer = Writer::new(options, idle);
        let mut writing = writer.acquire().await.unwrap();
        execute(&mut writing, "CREATE TABLE t (n INTEGER)")
            .await
            .unwrap();
        writing.release();
        (writer, directory)
    }

    async fn insert(writer: &Writer) -> Transaction {
        let mut transaction = writer.begin().await.unwrap();
        execute(&mut transaction, "INSERT INTO t VALUES (1)")
            .await
            .unwrap();
        transaction
    }

    async fn rows(writer: &Writer) -> i64 {
        let mut writing = writer.acquire().await.unwrap();
        let count = sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(&mut *writing);
        let count = count.await.unwrap();
        writing.release();
        count
    }

    #[tokio::test]
    async fn what_is_not_committed_is_rolled_back_and_the_next_may_write() {
        let (writer, _directory) = file(Duration::MAX).await;
        insert(&writer).await.commit().await.unwrap();
        drop(insert(&writer).await);
        insert(&writer).await.commit().await.unwrap();
        assert_eq!(rows(&writer).await, 2);
    }

    #[tokio::test]
    async fn a_failed_statement_of_many_leaves_no_transaction_open() {
        let (writer, _directory) = file(Duration::MAX).await;
        let mut writing = writer.acquire().await.unwrap();
        let failing = "BEGIN IMMEDIATE; INSERT INTO t VALUES (1); INSERT INTO nowhere VALUES (1)";
        assert!(execute(&mut writing, failing).await.is_err());
        drop(writing);
        assert_eq!(rows(&writer).await, 0);
        insert(&writer).await.commit().await.unwrap();
    }

    #[tokio::test]
    async fn an_idle_connection_is_closed_and_opened_again_when_wanted() {
        let (writer, _directory) = file(Duration::from_millis(1)).await;
        while writer.slot.lock().await.connection.is_some() {
            tokio::task::yield_now().await;
        }
        insert(&writer).await.commit().await.unwrap();
        assert_eq!(rows(&writer).await, 1);
    }

    #[tokio::test]
    async fn what_was_deleted_leaves_the_write_ahead_log_though_others_have_it_open() {
        let (writer, directory) = file(Duration::MAX).await;
        let log = directory.path().join("file.db-wal");
        let mut writing = writer.acquire().await.unwrap();
        let secret = "CREATE TABLE s (t TEXT); INSERT INTO s VALUES ('a person'); DELETE FROM s";
        execute(&mut writing, secret).await.unwrap();
        writing.release();
        let mut other = writer.options.connect().await.unwrap();
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM s");
        assert_eq!(count.fetch_one(&mut other).await.unwrap(), 0);
        let says = |bytes: Vec<u8>| bytes.windows(8).any(|it| it == b"a person");
        assert!(says(std::fs::read(&log).unwrap()));
        tidy(&mut *writer.slot.lock().await).await;
        assert!(!says(std::fs::read(&log).unwrap()));
        insert(&writer).await.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_write_ahead_log_begins_anew_while_somebody_writes() {
        let (writer, directory) = file(Duration::MAX).await;
        let log = directory.path().join("file.db-wal");
        let mut length = 0;
        // Frames stay where they are in the file; one that began anew does not grow for a while.
        let begun_anew = loop {
            for _ in 0..CHECKPOINT_EVERY {
                insert(&writer).await.commit().await.unwrap();
            }
            let before = std::mem::replace(&mut length, log.metadata().unwrap().len());
            if length == before {
                break true;
            }
            if length > 64 * 1024 * 1024 {
                break false;
            }
        };
        assert!(begun_anew);
    }

    #[tokio::test]
    async fn a_closed_file_is_written_by_nobody() {
        let (writer, directory) = file(Duration::MAX).await;
        for _ in 0..=CHECKPOINT_EVERY {
            insert(&writer).await.commit().await.unwrap();
        }
        writer.close().await;
        let log = directory.path().join("file.db-wal");
        assert!(!log.exists(), "a checkpoint is over as well");
        assert!(matches!(writer.begin().await, Err(Error::PoolClosed)));
    }
}
