//! The read model in PostgreSQL, in the schema `read`.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{
    AssertSqlSafe, PgConnection, Postgres, Row as _, Transaction, query, query_scalar,
    query_scalar_with,
};
use uuid::Uuid;

use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::documents::{DIALECT, apply, arguments, list, rows};
use crate::adapters::postgres::rebuild;
use crate::adapters::tables;
use crate::ports::event_store::StoreError;
use crate::ports::read_model::{
    Change, Checkpoint, Filter, LaneGuard, LaneRows, Query, ReadModel, Rebuild, Row, Table,
};

/// Two processes that start together make each table once.
const PREPARE_LOCK: i64 = 7_021_799_004;

/// The query side of one tenant.
pub struct PostgresReadModel {
    pool: Connections,
}

impl PostgresReadModel {
    pub fn new(pool: Connections) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl ReadModel for PostgresReadModel {
    async fn prepare(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        query("SELECT pg_advisory_xact_lock($1)")
            .bind(PREPARE_LOCK)
            .execute(&mut *transaction)
            .await?;
        for table in tables {
            tables::check_table(table)?;
            let layout: Option<String> =
                query_scalar("SELECT layout FROM read.layouts WHERE name = $1")
                    .bind(table.name)
                    .fetch_optional(&mut *transaction)
                    .await?;
            if layout != Some(tables::layout(table)) {
                make(&mut transaction, table).await?;
            }
        }
        Ok(transaction.commit().await?)
    }

    async fn lock_lane(
        &self,
        lane: &'static str,
    ) -> Result<Option<Box<dyn LaneGuard>>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        // Rows and checkpoint are lost together, if at all: that commit need not wait for the disk.
        // A process that vanished keeps the lane no longer than this.
        let sql = "SELECT epoch, position, set_config('synchronous_commit', 'off', true), \
             set_config('idle_in_transaction_session_timeout', '30s', true) FROM read.checkpoints WHERE lane = $1 FOR UPDATE SKIP LOCKED";
        let lock = || query(sql).bind(lane).try_map(checkpoint);
        let mut locked = lock().fetch_optional(&mut *transaction).await?;
        if locked.is_none() && self.begin_lane(lane).await? {
            locked = lock().fetch_optional(&mut *transaction).await?;
        }
        Ok(locked.map(|checkpoint| {
            Box::new(Guard {
                transaction,
                lane,
                checkpoint,
            }) as Box<dyn LaneGuard>
        }))
    }

    async fn checkpoint(&self, lane: &'static str) -> Result<Checkpoint, StoreError> {
        let query =
            query("SELECT epoch, position FROM read.checkpoints WHERE lane = $1").bind(lane);
        let found = query.try_map(checkpoint).fetch_optional(&self.pool).await?;
        Ok(found.unwrap_or(Checkpoint {
            epoch: Uuid::nil(),
            position: 0,
        }))
    }

    async fn rows(&self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        Ok(rows(&mut connection, &DIALECT, table, ids).await?)
    }

    async fn list(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        list(&mut connection, &DIALECT, &query).await
    }

    async fn count(&self, table: &'static Table, filters: Vec<Filter>) -> Result<i64, StoreError> {
        tables::check_filters(table, &filters)?;
        let statement = DIALECT.count(table, &filters);
        let values = arguments(&statement.values)?;
        let count = query_scalar_with(AssertSqlSafe(statement.text), values);
        Ok(count.fetch_one(&self.pool).await?)
    }

    async fn reset_lane(
        &self,
        lane: &'static str,
        tables: &[&'static Table],
        epoch: Uuid,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        // First the lane's row: this waits for whoever holds it.
        set_checkpoint(&mut transaction, lane, Checkpoint { epoch, position: 0 }).await?;
        for table in tables {
            let clear = AssertSqlSafe(DIALECT.clear(table.name));
            query(clear).execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn rebuild(
        &self,
        lane: &'static str,
        tables: &'static [&'static Table],
    ) -> Result<Option<Box<dyn Rebuild>>, StoreError> {
        rebuild::begin(&self.pool, lane, tables).await
    }
}

impl PostgresReadModel {
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
    lane: &'static str,
    checkpoint: Checkpoint,
}

#[async_trait]
impl LaneRows for Guard {
    async fn rows(&mut self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        Ok(rows(&mut self.transaction, &DIALECT, table, ids).await?)
    }

    async fn list(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        list(&mut self.transaction, &DIALECT, &query).await
    }
}

#[async_trait]
impl LaneGuard for Guard {
    fn checkpoint(&self) -> Checkpoint {
        self.checkpoint
    }

    async fn commit(
        mut self: Box<Self>,
        changes: Vec<Change>,
        next: Checkpoint,
    ) -> Result<(), StoreError> {
        for of_table in tables::reduce(changes)? {
            apply(&mut self.transaction, of_table).await?;
        }
        set_checkpoint(&mut self.transaction, self.lane, next).await?;
        Ok(self.transaction.commit().await?)
    }
}

/// Makes a table anew. Its lane starts over, so that the other tables of the lane are emptied with it.
async fn make(connection: &mut PgConnection, table: &Table) -> Result<(), sqlx::Error> {
    let start = Checkpoint {
        epoch: Uuid::nil(),
        position: 0,
    };
    set_checkpoint(connection, table.lane, start).await?;
    let sql = "SELECT name FROM read.layouts WHERE lane = $1 AND name <> $2";
    let siblings: Vec<String> = query_scalar(sql)
        .bind(table.lane)
        .bind(table.name)
        .fetch_all(&mut *connection)
        .await?;
    let mut statements = vec![DIALECT.drop(table.name), DIALECT.create(table)];
    statements.extend(DIALECT.indexes(table, ""));
    statements.extend(siblings.iter().map(|name| DIALECT.clear(name)));
    for statement in statements {
        query(AssertSqlSafe(statement))
            .execute(&mut *connection)
            .await?;
    }
    let sql = "INSERT INTO read.layouts (name, lane, layout) VALUES ($1, $2, $3) \
         ON CONFLICT (name) DO UPDATE SET lane = excluded.lane, layout = excluded.layout";
    query(sql)
        .bind(table.name)
        .bind(table.lane)
        .bind(tables::layout(table))
        .execute(connection)
        .await?;
    Ok(())
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
