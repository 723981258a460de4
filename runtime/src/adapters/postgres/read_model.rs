//! The read model in PostgreSQL, in the schema `read`.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{
    AssertSqlSafe, PgConnection, Postgres, Row as _, Transaction, query, query_scalar_with,
};
use uuid::Uuid;

use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::documents::{DIALECT, apply, arguments, list, rows};
use crate::adapters::postgres::{rebuild, shapes};
use crate::adapters::shapes::Shapes;
use crate::adapters::sql::Dialect;
use crate::adapters::tables::{self, TableChanges};
use crate::ports::event_store::StoreError;
use crate::ports::read_model::{
    Change, Checkpoint, CommitError, Filter, LaneGuard, LaneRows, Query, ReadModel, Rebuild, Row,
    Table,
};

/// The query side of one tenant.
pub struct PostgresReadModel {
    pool: Connections,
    shapes: Shapes,
}

impl PostgresReadModel {
    pub fn new(pool: Connections) -> Self {
        let shapes = Shapes::default();
        Self { pool, shapes }
    }
}

#[async_trait]
impl ReadModel for PostgresReadModel {
    async fn prepare(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        shapes::prepare(&self.pool, &self.shapes, tables).await
    }

    async fn keep(&self) -> Result<(), StoreError> {
        shapes::keep(&self.pool, &self.shapes).await
    }

    async fn lock_lane(
        &self,
        lane: &'static str,
    ) -> Result<Option<Box<dyn LaneGuard>>, StoreError> {
        let dialect = self.dialect(lane);
        let lane = dialect.shape.name(lane);
        let mut transaction = self.pool.begin().await?;
        // Rows and checkpoint are lost together, if at all: that commit need not wait for the disk.
        // A process that vanished keeps the lane no longer than this.
        let sql = "SELECT epoch, position, set_config('synchronous_commit', 'off', true), \
             set_config('idle_in_transaction_session_timeout', '30s', true) FROM read.checkpoints WHERE lane = $1 FOR UPDATE SKIP LOCKED";
        let lock = || query(sql).bind(&lane).try_map(checkpoint);
        let mut locked = lock().fetch_optional(&mut *transaction).await?;
        if locked.is_none() && self.begin_lane(&lane).await? {
            locked = lock().fetch_optional(&mut *transaction).await?;
        }
        Ok(locked.map(|checkpoint| {
            Box::new(Guard {
                transaction,
                dialect,
                lane,
                checkpoint,
            }) as Box<dyn LaneGuard>
        }))
    }

    async fn checkpoint(&self, lane: &'static str) -> Result<Checkpoint, StoreError> {
        let query = query("SELECT epoch, position FROM read.checkpoints WHERE lane = $1");
        let query = query.bind(self.shapes.of(lane).name(lane));
        let found = query.try_map(checkpoint).fetch_optional(&self.pool).await?;
        Ok(found.unwrap_or(Checkpoint {
            epoch: Uuid::nil(),
            position: 0,
        }))
    }

    async fn rows(&self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        Ok(rows(&mut connection, &self.dialect(table.lane), table, ids).await?)
    }

    async fn list(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        list(&mut connection, &self.dialect(query.table.lane), &query).await
    }

    async fn count(&self, table: &'static Table, filters: Vec<Filter>) -> Result<i64, StoreError> {
        tables::check_filters(table, &filters)?;
        let statement = self.dialect(table.lane).count(table, &filters);
        let values = arguments(&statement.values)?;
        let count = query_scalar_with(AssertSqlSafe(statement.text), values);
        Ok(count.fetch_one(&self.pool).await?)
    }

    async fn rebuild(
        &self,
        lane: &'static str,
        tables: &'static [&'static Table],
    ) -> Result<Option<Box<dyn Rebuild>>, StoreError> {
        rebuild::begin(&self.pool, self.shapes.of(lane), lane, tables).await
    }
}

impl PostgresReadModel {
    /// For the tables of a lane.
    fn dialect(&self, lane: &str) -> Dialect {
        DIALECT.of(self.shapes.of(lane))
    }

    /// Whether the lane's row was missing.
    async fn begin_lane(&self, lane: &str) -> Result<bool, sqlx::Error> {
        let sql = "INSERT INTO read.checkpoints (lane, epoch, position) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING";
        let begun = query(sql).bind(lane).bind(Uuid::nil()).execute(&self.pool);
        Ok(begun.await?.rows_affected() == 1)
    }
}

/// The lane's row stays locked until its transaction ends.
struct Guard {
    transaction: Transaction<'static, Postgres>,
    dialect: Dialect,
    /// Its name in the database.
    lane: String,
    checkpoint: Checkpoint,
}

#[async_trait]
impl LaneRows for Guard {
    async fn rows(&mut self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        Ok(rows(&mut self.transaction, &self.dialect, table, ids).await?)
    }

    async fn list(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        list(&mut self.transaction, &self.dialect, &query).await
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
        Ok(self.write(&[], changes, next).await?)
    }

    async fn reset(
        self: Box<Self>,
        tables: &[&'static Table],
        epoch: Uuid,
    ) -> Result<(), CommitError> {
        let start = Checkpoint { epoch, position: 0 };
        Ok(self.write(tables, Vec::new(), start).await?)
    }
}

impl Guard {
    async fn write(
        mut self,
        emptied: &[&'static Table],
        changes: Vec<TableChanges>,
        next: Checkpoint,
    ) -> Result<(), StoreError> {
        for table in emptied {
            let clear = AssertSqlSafe(self.dialect.clear(table));
            query(clear).execute(&mut *self.transaction).await?;
        }
        for of_table in changes {
            apply(&mut self.transaction, &self.dialect, of_table).await?;
        }
        set_checkpoint(&mut self.transaction, &self.lane, next).await?;
        Ok(self.transaction.commit().await?)
    }
}

pub fn checkpoint(found: PgRow) -> Result<Checkpoint, sqlx::Error> {
    Ok(Checkpoint {
        epoch: found.try_get(0)?,
        position: found.try_get(1)?,
    })
}

pub async fn set_checkpoint(
    connection: &mut PgConnection,
    lane: &str,
    checkpoint: Checkpoint,
) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO read.checkpoints (lane, epoch, position) VALUES ($1, $2, $3) \
         ON CONFLICT (lane) DO UPDATE SET epoch = excluded.epoch, position = excluded.position";
    query(sql)
        .bind(lane)
        .bind(checkpoint.epoch)
        .bind(checkpoint.position)
        .execute(connection)
        .await?;
    Ok(())
}
