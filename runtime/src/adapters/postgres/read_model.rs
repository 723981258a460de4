//! The read model in PostgreSQL, in the schema `read`.

use std::borrow::Cow;

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::{
    Arguments, AssertSqlSafe, PgConnection, Postgres, Row as _, Transaction, query, query_scalar,
    query_scalar_with, query_with,
};
use uuid::Uuid;

use crate::adapters::sql::Dialect;
use crate::adapters::tables;
use crate::ports::event_store::StoreError;
use crate::ports::read_model::{
    Change, Checkpoint, Column, ColumnKind, Filter, LaneGuard, Query, ReadModel, Row, Table, Value,
};

const DIALECT: Dialect = Dialect {
    schema: "read.",
    text: "text COLLATE \"C\"",
    integer: "bigint",
    uuid: "uuid",
    json: "json",
    find: "strpos",
    nulls_first: "NULLS FIRST",
};
/// Two processes that start together make each table once.
const PREPARE_LOCK: i64 = 7_021_799_004;

/// The query side of one tenant.
pub struct PostgresReadModel {
    pool: PgPool,
}

impl PostgresReadModel {
    pub fn new(pool: PgPool) -> Self {
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
        Ok(rows(&mut connection, table, ids).await?)
    }

    async fn list(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        tables::check_query(&query)?;
        let statement = DIALECT.list(&query);
        let values = arguments(&statement.values)?;
        let found = query_with(AssertSqlSafe(statement.text), values)
            .try_map(|found: PgRow| row(query.table, &found));
        Ok(found.fetch_all(&self.pool).await?)
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
impl LaneGuard for Guard {
    fn checkpoint(&self) -> Checkpoint {
        self.checkpoint
    }

    async fn rows(&mut self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        Ok(rows(&mut self.transaction, table, ids).await?)
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
    let mut statements = vec![DIALECT.drop(table.name)];
    statements.extend(DIALECT.create(table));
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

async fn apply(
    connection: &mut PgConnection,
    changes: tables::TableChanges,
) -> Result<(), StoreError> {
    let table = changes.table;
    if !changes.upserts.is_empty() {
        let (sql, values) = upsert(table, &changes.upserts)?;
        query_with(AssertSqlSafe(sql), values)
            .execute(&mut *connection)
            .await?;
    }
    if !changes.deletes.is_empty() {
        let delete = format!("DELETE FROM {} WHERE id = ANY ($1)", DIALECT.name(table));
        let query = query(AssertSqlSafe(delete)).bind(changes.deletes);
        query.execute(connection).await?;
    }
    Ok(())
}

/// One statement whatever the number of rows: an array per column.
fn upsert(table: &Table, rows: &[Row]) -> Result<(String, PgArguments), StoreError> {
    let mut values = PgArguments::default();
    let mut selected = vec!["x.c0".to_owned()];
    values.add(rows.iter().map(|row| row.id).collect::<Vec<_>>())?;
    for (index, column) in table.columns.iter().enumerate() {
        let column_values = rows.iter().map(|row| &row.values[index]);
        match column.kind {
            ColumnKind::Text => values.add(column_values.map(as_text).collect::<Vec<_>>())?,
            ColumnKind::Integer => values.add(column_values.map(as_integer).collect::<Vec<_>>())?,
            ColumnKind::Uuid => values.add(column_values.map(as_uuid).collect::<Vec<_>>())?,
        }
        selected.push(format!("x.c{}", index + 1));
    }
    values.add(
        rows.iter()
            .map(|row| row.document.to_string())
            .collect::<Vec<_>>(),
    )?;
    let document = table.columns.len() + 1;
    selected.push(format!("x.c{document}::json"));
    let list = |name: fn(usize) -> String| (0..=document).map(name).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "{}SELECT {} FROM unnest({}) AS x({}){}",
        DIALECT.insert(table),
        selected.join(", "),
        list(|n| format!("${}", n + 1)),
        list(|n| format!("c{n}")),
        DIALECT.on_conflict(table)
    );
    Ok((sql, values))
}

fn as_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => Some(without_nul(text)),
        _ => None,
    }
}

fn as_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(integer) => Some(*integer),
        _ => None,
    }
}

fn as_uuid(value: &Value) -> Option<Uuid> {
    match value {
        Value::Uuid(uuid) => Some(*uuid),
        _ => None,
    }
}

/// PostgreSQL keeps no NUL in text; the document beside it has the original.
fn without_nul(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        true => text.replace('\0', "\u{fffd}").into(),
        false => text.into(),
    }
}

async fn rows(
    connection: &mut PgConnection,
    table: &'static Table,
    ids: &[Uuid],
) -> Result<Vec<Row>, sqlx::Error> {
    let select = format!("{} WHERE id = ANY ($1)", DIALECT.select(table));
    let query = query(AssertSqlSafe(select)).bind(ids);
    let found = query.try_map(|found: PgRow| row(table, &found));
    found.fetch_all(connection).await
}

fn checkpoint(found: PgRow) -> Result<Checkpoint, sqlx::Error> {
    Ok(Checkpoint {
        epoch: found.try_get(0)?,
        position: found.try_get(1)?,
    })
}

async fn set_checkpoint(
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

fn arguments(values: &[Value]) -> Result<PgArguments, StoreError> {
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Null => arguments.add(None::<i64>)?,
            Value::Integer(value) => arguments.add(*value)?,
            Value::Text(value) => arguments.add(without_nul(value))?,
            Value::Uuid(value) => arguments.add(*value)?,
        }
    }
    Ok(arguments)
}

fn row(table: &Table, found: &PgRow) -> Result<Row, sqlx::Error> {
    let value = |(index, column): (usize, &Column)| {
        Ok(match column.kind {
            ColumnKind::Text => found.try_get::<Option<_>, _>(index)?.map(Value::Text),
            ColumnKind::Integer => found.try_get::<Option<_>, _>(index)?.map(Value::Integer),
            ColumnKind::Uuid => found.try_get::<Option<_>, _>(index)?.map(Value::Uuid),
        }
        .unwrap_or(Value::Null))
    };
    let document: sqlx::types::Json<serde_json::Value> = found.try_get("document")?;
    Ok(Row {
        id: found.try_get("id")?,
        values: (1..)
            .zip(table.columns)
            .map(value)
            .collect::<Result<_, sqlx::Error>>()?,
        document: document.0,
    })
}
