//! The read model in SQLite, in a file of its own that may be lost.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};
use uuid::Uuid;

use crate::adapters::lanes::{LaneLock, Lanes};
use crate::adapters::shapes::Shapes;
use crate::adapters::sql::Dialect;
use crate::adapters::sqlite::database::Database;
use crate::adapters::sqlite::documents::{DIALECT, apply, arguments, list, rows};
use crate::adapters::sqlite::{rebuild, shapes};
use crate::adapters::tables::{self, TableChanges};
use crate::ports::event_store::StoreError;
use crate::ports::read_model::{
    Change, Checkpoint, CommitError, Filter, LaneGuard, LaneRows, Query, ReadModel, Rebuild, Row,
    Table,
};

pub const START: Checkpoint = Checkpoint {
    epoch: Uuid::nil(),
    position: 0,
};

/// The query side of one tenant.
#[derive(Clone)]
pub struct SqliteReadModel {
    pub database: Database,
    pub shapes: Shapes,
    pub lanes: Lanes,
    /// Locked by whoever rebuilds, in whatever process.
    pub rebuild_lock: Arc<Path>,
}

impl SqliteReadModel {
    pub fn new(database: Database, rebuild_lock: &Path) -> Self {
        Self {
            database,
            shapes: Shapes::default(),
            lanes: Lanes::default(),
            rebuild_lock: rebuild_lock.into(),
        }
    }
}

#[async_trait]
impl ReadModel for SqliteReadModel {
    async fn prepare(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        shapes::prepare(&self.database, &self.shapes, tables).await
    }

    async fn keep(&self) -> Result<(), StoreError> {
        shapes::keep(&self.database, &self.shapes).await
    }

    async fn lock_lane(
        &self,
        lane: &'static str,
    ) -> Result<Option<Box<dyn LaneGuard>>, StoreError> {
        let Some(lock) = self.lanes.try_lock(lane) else {
            return Ok(None);
        };
        let dialect = self.dialect(lane);
        Ok(Some(Box::new(Guard {
            checkpoint: self.checkpoint(lane).await?,
            model: self.clone(),
            dialect,
            lane: dialect.shape.name(lane),
            _lock: lock,
        })))
    }

    async fn checkpoint(&self, lane: &'static str) -> Result<Checkpoint, StoreError> {
        let mut connection = self.database.reader.acquire().await?;
        Ok(checkpoint(&mut connection, &self.shapes.of(lane).name(lane)).await?)
    }

    async fn rows(&self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        let mut connection = self.database.reader.acquire().await?;
        Ok(rows(&mut connection, &self.dialect(table.lane), table, ids).await?)
    }

    async fn list(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        let mut connection = self.database.reader.acquire().await?;
        list(&mut connection, &self.dialect(query.table.lane), &query).await
    }

    async fn count(&self, table: &'static Table, filters: Vec<Filter>) -> Result<i64, StoreError> {
        tables::check_filters(table, &filters)?;
        let statement = self.dialect(table.lane).count(table, &filters);
        let values = arguments(&statement.values)?;
        let count = sqlx::query_scalar_with(AssertSqlSafe(statement.text), values);
        Ok(count.fetch_one(&self.database.reader).await?)
    }

    async fn rebuild(
        &self,
        lane: &'static str,
        tables: &'static [&'static Table],
    ) -> Result<Option<Box<dyn Rebuild>>, StoreError> {
        rebuild::begin(self, lane, tables).await
    }
}

impl SqliteReadModel {
    /// For the tables of a lane.
    fn dialect(&self, lane: &str) -> Dialect {
        DIALECT.of(self.shapes.of(lane))
    }
}

struct Guard {
    model: SqliteReadModel,
    dialect: Dialect,
    /// Its name in the database.
    lane: String,
    checkpoint: Checkpoint,
    _lock: LaneLock,
}

#[async_trait]
impl LaneRows for Guard {
    async fn rows(&mut self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        self.model.rows(table, ids).await
    }

    async fn list(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        self.model.list(query).await
    }
}

#[async_trait]
impl LaneGuard for Guard {
    fn checkpoint(&self) -> Checkpoint {
        self.checkpoint
    }

    async fn commit(
        self: Box<Self>,
        changes: Vec<Change>,
        next: Checkpoint,
    ) -> Result<(), CommitError> {
        let changes = tables::reduce(changes)?;
        self.write(&[], &changes, next).await
    }

    async fn reset(
        self: Box<Self>,
        tables: &[&'static Table],
        epoch: Uuid,
    ) -> Result<(), CommitError> {
        let start = Checkpoint { epoch, position: 0 };
        self.write(tables, &[], start).await
    }
}

impl Guard {
    async fn write(
        &self,
        emptied: &[&'static Table],
        changes: &[TableChanges],
        next: Checkpoint,
    ) -> Result<(), CommitError> {
        match self.try_to_write(emptied, changes, next).await? {
            true => Ok(()),
            false => Err(CommitError::Overtaken),
        }
    }

    /// Whether nobody has advanced the lane since it was taken: its mutex is this process's own, and another process on the
    /// same file is found here.
    async fn try_to_write(
        &self,
        emptied: &[&'static Table],
        changes: &[TableChanges],
        next: Checkpoint,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.model.database.writer.begin().await?;
        if checkpoint(&mut transaction, &self.lane).await? != self.checkpoint {
            return Ok(false);
        }
        for table in emptied {
            let clear = AssertSqlSafe(self.dialect.clear(table));
            sqlx::query(clear).execute(&mut *transaction).await?;
        }
        for of_table in changes {
            apply(&mut transaction, &self.dialect, of_table).await?;
        }
        set_checkpoint(&mut transaction, &self.lane, next).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

pub async fn checkpoint(
    connection: &mut SqliteConnection,
    lane: &str,
) -> Result<Checkpoint, sqlx::Error> {
    let query = sqlx::query("SELECT epoch, position FROM checkpoints WHERE lane = ?").bind(lane);
    let found = query.try_map(|found: SqliteRow| {
        Ok(Checkpoint {
            epoch: found.try_get(0)?,
            position: found.try_get(1)?,
        })
    });
    Ok(found.fetch_optional(connection).await?.unwrap_or(START))
}

pub async fn set_checkpoint(
    connection: &mut SqliteConnection,
    lane: &str,
    checkpoint: Checkpoint,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO checkpoints (lane, epoch, position) VALUES (?, ?, ?)")
        .bind(lane)
        .bind(checkpoint.epoch)
        .bind(checkpoint.position)
        .execute(connection)
        .await?;
    Ok(())
}
