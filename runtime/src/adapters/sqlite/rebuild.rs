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

struct Building {
    model: SqliteReadModel,
    living: Dialect,
    next: Dialect,
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
    let living = DIALECT.of(model.shapes.of(lane));
    let suffix = tables::NEXT;
    let next = Dialect { suffix, ..living };
    let mut transaction = model.database.writer.begin().await?;
    for table in tables {
        check_layout(&mut transaction, &living, table).await?;
        // What an earlier attempt may have left.
        execute(&mut transaction, next.drop(table)).await?;
        execute(&mut transaction, next.create(table)).await?;
    }
    transaction.commit().await?;
    Ok(Some(Box::new(Building {
        model: model.clone(),
        living,
        next,
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
            return Ok(documents::rows(transaction, &self.next, table, ids).await?);
        }
        let mut connection = self.model.database.reader.acquire().await?;
        Ok(documents::rows(&mut connection, &self.next, table, ids).await?)
    }

    async fn list(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        if let Some((_, transaction)) = &mut self.held {
            return documents::list(transaction, &self.next, &query).await;
        }
        let mut connection = self.model.database.reader.acquire().await?;
        documents::list(&mut connection, &self.next, &query).await
    }
}

#[async_trait]
impl Rebuild for Building {
    async fn write(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        let changes = tables::reduce(changes)?;
        if let Some((_, transaction)) = &mut self.held {
            return Ok(apply(transaction, &self.next, &changes).await?);
        }
        let mut transaction = self.model.database.writer.begin().await?;
        apply(&mut transaction, &self.next, &changes).await?;
        Ok(transaction.commit().await?)
    }

    async fn index(&mut self) -> Result<(), StoreError> {
        // Grows with every change of the schema: no index has had this name.
        let version = sqlx::query_scalar("PRAGMA schema_version");
        let version: i64 = version.fetch_one(&self.model.database.reader).await?;
        for table in self.tables {
            // One transaction each, so that lanes come in between.
            for index in self.next.indexes(table, &format!("_{version}")) {
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
        let living = checkpoint(&mut transaction, &self.living.shape.name(self.lane)).await?;
        self.held = Some((lock, transaction));
        Ok(living)
    }

    async fn swap(mut self: Box<Self>, checkpoint: Checkpoint) -> Result<(), StoreError> {
        let Some((_lock, mut transaction)) = self.held.take() else {
            return Err(format!("lane {} is not held", self.lane).into());
        };
        for table in self.tables {
            check_layout(&mut transaction, &self.living, table).await?;
            execute(&mut transaction, self.living.drop(table)).await?;
            execute(&mut transaction, self.next.rename(table)).await?;
        }
        let lane = self.living.shape.name(self.lane);
        set_checkpoint(&mut transaction, &lane, checkpoint).await?;
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
    dialect: &Dialect,
    changes: &[tables::TableChanges],
) -> Result<(), sqlx::Error> {
    for of_table in changes {
        documents::apply(connection, dialect, of_table).await?;
    }
    Ok(())
}

async fn execute(connection: &mut SqliteConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

/// The living table is the one that this release has made; an earlier one replaced it under its plain name.
async fn check_layout(
    connection: &mut SqliteConnection,
    living: &Dialect,
    table: &Table,
) -> Result<(), StoreError> {
    tables::check_table(table)?;
    let layout = sqlx::query_scalar("SELECT layout FROM layouts WHERE name = ?");
    let layout = layout.bind(living.shape.name(table.name));
    tables::check_layout(table, layout.fetch_optional(connection).await?)
}
