//! The next version of a lane's tables in SQLite: beside the living ones in the same file, since a file that is renamed
//! while another process has it open is lost to that process.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, SqliteConnection};
use uuid::Uuid;

use crate::adapters::lanes::LaneLock;
use crate::adapters::sql::Dialect;
use crate::adapters::sqlite::documents::{self, DIALECT};
use crate::adapters::sqlite::read_model::{SqliteReadModel, checkpoint, set_checkpoint};
use crate::adapters::sqlite::writer::Transaction;
use crate::adapters::tables;
use crate::ports::event_store::StoreError;
use crate::ports::read_model::{Change, Checkpoint, LaneRows, Query, Rebuild, Row, Table};

const NEXT: Dialect = Dialect {
    suffix: tables::NEXT,
    ..DIALECT
};

struct Building {
    model: SqliteReadModel,
    lane: &'static str,
    tables: &'static [&'static Table],
    /// From the lane's lock to the swap: nobody else writes to the file, in whatever process.
    held: Option<(LaneLock, Transaction)>,
    /// Let go of when it is closed, be it by a kill.
    _lock: File,
}

pub async fn begin(
    model: &SqliteReadModel,
    lane: &'static str,
    tables: &'static [&'static Table],
) -> Result<Option<Box<dyn Rebuild>>, StoreError> {
    let Some(lock) = lock(&model.rebuild_lock)? else {
        return Ok(None);
    };
    let mut transaction = model.database.writer.begin().await?;
    for table in tables {
        check_layout(&mut transaction, table).await?;
        // What an earlier attempt may have left.
        execute(&mut transaction, NEXT.drop(table.name)).await?;
        execute(&mut transaction, NEXT.create(table)).await?;
    }
    transaction.commit().await?;
    Ok(Some(Box::new(Building {
        model: model.clone(),
        lane,
        tables,
        held: None,
        _lock: lock,
    })))
}

#[async_trait]
impl LaneRows for Building {
    async fn rows(&mut self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        if let Some((_, transaction)) = &mut self.held {
            return Ok(documents::rows(transaction, &NEXT, table, ids).await?);
        }
        let mut connection = self.model.database.reader.acquire().await?;
        Ok(documents::rows(&mut connection, &NEXT, table, ids).await?)
    }

    async fn list(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        if let Some((_, transaction)) = &mut self.held {
            return documents::list(transaction, &NEXT, &query).await;
        }
        let mut connection = self.model.database.reader.acquire().await?;
        documents::list(&mut connection, &NEXT, &query).await
    }
}

#[async_trait]
impl Rebuild for Building {
    async fn write(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        let changes = tables::reduce(changes)?;
        if let Some((_, transaction)) = &mut self.held {
            return Ok(apply(transaction, &changes).await?);
        }
        let mut transaction = self.model.database.writer.begin().await?;
        apply(&mut transaction, &changes).await?;
        Ok(transaction.commit().await?)
    }

    async fn index(&mut self) -> Result<(), StoreError> {
        // Grows with every change of the schema: no index has had this name.
        let version = sqlx::query_scalar("PRAGMA schema_version");
        let version: i64 = version.fetch_one(&self.model.database.reader).await?;
        for table in self.tables {
            // One transaction each, so that lanes come in between.
            for index in NEXT.indexes(table, &format!("_{version}")) {
                let mut transaction = self.model.database.writer.begin().await?;
                execute(&mut transaction, index).await?;
                transaction.commit().await?;
            }
        }
        Ok(())
    }

    async fn lock_lane(&mut self) -> Result<Checkpoint, StoreError> {
        let lock = self.model.lanes.lock(self.lane).await;
        let mut transaction = self.model.database.writer.begin().await?;
        let living = checkpoint(&mut transaction, self.lane).await?;
        self.held = Some((lock, transaction));
        Ok(living)
    }

    async fn swap(mut self: Box<Self>, checkpoint: Checkpoint) -> Result<(), StoreError> {
        let Some((_lock, mut transaction)) = self.held.take() else {
            return Err(format!("lane {} is not held", self.lane).into());
        };
        for table in self.tables {
            check_layout(&mut transaction, table).await?;
            execute(&mut transaction, DIALECT.drop(table.name)).await?;
            execute(&mut transaction, NEXT.rename(table)).await?;
        }
        set_checkpoint(&mut transaction, self.lane, checkpoint).await?;
        Ok(transaction.commit().await?)
    }
}

/// The lock, unless somebody holds it.
fn lock(path: &Path) -> Result<Option<File>, StoreError> {
    let cannot = |error| format!("cannot lock {}: {error}", path.display());
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let file = file.map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(cannot(error).into()),
    }
}

async fn apply(
    connection: &mut SqliteConnection,
    changes: &[tables::TableChanges],
) -> Result<(), sqlx::Error> {
    for of_table in changes {
        documents::apply(connection, &NEXT, of_table).await?;
    }
    Ok(())
}

async fn execute(connection: &mut SqliteConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

/// The living table is the one that this release has made.
async fn check_layout(connection: &mut SqliteConnection, table: &Table) -> Result<(), StoreError> {
    tables::check_table(table)?;
    let layout = sqlx::query_scalar("SELECT layout FROM layouts WHERE name = ?").bind(table.name);
    tables::check_layout(table, layout.fetch_optional(connection).await?)
}
