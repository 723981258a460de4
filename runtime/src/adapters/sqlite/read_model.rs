//! The read model in SQLite, in a file of its own that may be lost.

use async_trait::async_trait;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, QueryBuilder, Row as _, Sqlite, SqliteConnection};
use uuid::Uuid;

use crate::adapters::lanes::{LaneLock, Lanes};
use crate::adapters::sql::Dialect;
use crate::adapters::sqlite::database::Database;
use crate::adapters::{batch, tables};
use crate::ports::event_store::StoreError;
use crate::ports::read_model::{
    Change, Checkpoint, ColumnKind, Filter, LaneGuard, Query, ReadModel, Row, Table, Value,
};

const DIALECT: Dialect = Dialect {
    schema: "",
    text: "TEXT",
    integer: "INTEGER",
    uuid: "BLOB",
    json: "TEXT",
    find: "instr",
    nulls_first: "",
};
const CHUNKS: [usize; 3] = [64, 8, 1];
const START: Checkpoint = Checkpoint {
    epoch: Uuid::nil(),
    position: 0,
};

/// The query side of one tenant.
#[derive(Clone)]
pub struct SqliteReadModel {
    database: Database,
    lanes: Lanes,
}

impl SqliteReadModel {
    pub fn new(database: Database) -> Self {
        Self {
            database,
            lanes: Lanes::default(),
        }
    }
}

#[async_trait]
impl ReadModel for SqliteReadModel {
    async fn prepare(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        let mut transaction = self.database.write().await?;
        for table in tables {
            tables::check_table(table)?;
            let layout: Option<String> =
                sqlx::query_scalar("SELECT layout FROM layouts WHERE name = ?")
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
        let Some(lock) = self.lanes.try_lock(lane) else {
            return Ok(None);
        };
        Ok(Some(Box::new(Guard {
            checkpoint: self.checkpoint(lane).await?,
            model: self.clone(),
            lane,
            _lock: lock,
        })))
    }

    async fn checkpoint(&self, lane: &'static str) -> Result<Checkpoint, StoreError> {
        let mut connection = self.database.reader.acquire().await?;
        Ok(checkpoint(&mut connection, lane).await?)
    }

    async fn rows(&self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::with_capacity(ids.len());
        for chunk in batch::chunks(ids, &CHUNKS) {
            let mut query = QueryBuilder::<Sqlite>::new(DIALECT.select(table));
            query.push(" WHERE id IN (");
            let mut listed = query.separated(", ");
            for id in chunk {
                listed.push_bind(*id);
            }
            query.push(")");
            let found = query.build().try_map(|found| row(table, &found));
            rows.extend(found.fetch_all(&self.database.reader).await?);
        }
        Ok(rows)
    }

    async fn list(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        tables::check_query(&query)?;
        let statement = DIALECT.list(&query);
        let values = arguments(&statement.values)?;
        let found = sqlx::query_with(AssertSqlSafe(statement.text), values)
            .try_map(|found| row(query.table, &found));
        Ok(found.fetch_all(&self.database.reader).await?)
    }

    async fn count(&self, table: &'static Table, filters: Vec<Filter>) -> Result<i64, StoreError> {
        tables::check_filters(table, &filters)?;
        let statement = DIALECT.count(table, &filters);
        let values = arguments(&statement.values)?;
        let count = sqlx::query_scalar_with(AssertSqlSafe(statement.text), values);
        Ok(count.fetch_one(&self.database.reader).await?)
    }

    async fn reset_lane(
        &self,
        lane: &'static str,
        tables: &[&'static Table],
        epoch: Uuid,
    ) -> Result<(), StoreError> {
        let _lock = self.lanes.lock(lane).await;
        let mut transaction = self.database.write().await?;
        for table in tables {
            let clear = AssertSqlSafe(DIALECT.clear(table.name));
            sqlx::query(clear).execute(&mut *transaction).await?;
        }
        let start = Checkpoint { epoch, position: 0 };
        set_checkpoint(&mut transaction, lane, start).await?;
        Ok(transaction.commit().await?)
    }
}

struct Guard {
    model: SqliteReadModel,
    lane: &'static str,
    checkpoint: Checkpoint,
    _lock: LaneLock,
}

#[async_trait]
impl LaneGuard for Guard {
    fn checkpoint(&self) -> Checkpoint {
        self.checkpoint
    }

    async fn rows(&mut self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        self.model.rows(table, ids).await
    }

    async fn commit(
        self: Box<Self>,
        changes: Vec<Change>,
        next: Checkpoint,
    ) -> Result<(), StoreError> {
        let changes = tables::reduce(changes)?;
        let mut transaction = self.model.database.write().await?;
        // The lane's mutex is this process's own; another process on the same file is caught here.
        if checkpoint(&mut transaction, self.lane).await? != self.checkpoint {
            return Err(format!("another process advanced lane {}", self.lane).into());
        }
        for of_table in &changes {
            apply(&mut transaction, of_table).await?;
        }
        set_checkpoint(&mut transaction, self.lane, next).await?;
        Ok(transaction.commit().await?)
    }
}

/// Makes a table anew. Its lane starts over, so that the other tables of the lane are emptied with it.
async fn make(connection: &mut SqliteConnection, table: &Table) -> Result<(), sqlx::Error> {
    let siblings: Vec<String> =
        sqlx::query_scalar("SELECT name FROM layouts WHERE lane = ? AND name <> ?")
            .bind(table.lane)
            .bind(table.name)
            .fetch_all(&mut *connection)
            .await?;
    let mut statements = vec![DIALECT.drop(table.name)];
    statements.extend(DIALECT.create(table));
    statements.extend(siblings.iter().map(|name| DIALECT.clear(name)));
    for statement in statements {
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query("INSERT OR REPLACE INTO layouts (name, lane, layout) VALUES (?, ?, ?)")
        .bind(table.name)
        .bind(table.lane)
        .bind(tables::layout(table))
        .execute(&mut *connection)
        .await?;
    set_checkpoint(connection, table.lane, START).await
}

async fn apply(
    connection: &mut SqliteConnection,
    changes: &tables::TableChanges,
) -> Result<(), sqlx::Error> {
    let table = changes.table;
    for chunk in batch::chunks(&changes.upserts, &CHUNKS) {
        let mut query = QueryBuilder::<Sqlite>::new(DIALECT.insert(table));
        query.push_values(chunk, |mut values, row| {
            values.push_bind(row.id);
            for (column, value) in table.columns.iter().zip(&row.values) {
                match (column.kind, value) {
                    (_, Value::Integer(value)) => values.push_bind(*value),
                    (_, Value::Text(value)) => values.push_bind(value),
                    (_, Value::Uuid(value)) => values.push_bind(*value),
                    (ColumnKind::Integer, Value::Null) => values.push_bind(None::<i64>),
                    (ColumnKind::Text, Value::Null) => values.push_bind(None::<&str>),
                    (ColumnKind::Uuid, Value::Null) => values.push_bind(None::<Uuid>),
                };
            }
            values.push_bind(row.document.to_string());
        });
        query.push(DIALECT.on_conflict(table));
        query.build().execute(&mut *connection).await?;
    }
    for id in &changes.deletes {
        let delete = format!("DELETE FROM {} WHERE id = ?", DIALECT.name(table));
        sqlx::query(AssertSqlSafe(delete))
            .bind(*id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn checkpoint(
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

async fn set_checkpoint(
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

fn arguments(values: &[Value]) -> Result<SqliteArguments, StoreError> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Value::Null => arguments.add(None::<i64>)?,
            Value::Integer(value) => arguments.add(*value)?,
            Value::Text(value) => arguments.add(value)?,
            Value::Uuid(value) => arguments.add(*value)?,
        }
    }
    Ok(arguments)
}

fn row(table: &Table, found: &SqliteRow) -> Result<Row, sqlx::Error> {
    let value = |(index, column): (usize, &crate::ports::read_model::Column)| {
        Ok(match column.kind {
            ColumnKind::Text => found.try_get::<Option<_>, _>(index)?.map(Value::Text),
            ColumnKind::Integer => found.try_get::<Option<_>, _>(index)?.map(Value::Integer),
            ColumnKind::Uuid => found.try_get::<Option<_>, _>(index)?.map(Value::Uuid),
        }
        .unwrap_or(Value::Null))
    };
    let document: &str = found.try_get("document")?;
    let document = serde_json::from_str(document);
    Ok(Row {
        id: found.try_get("id")?,
        values: (1..)
            .zip(table.columns)
            .map(value)
            .collect::<Result<_, sqlx::Error>>()?,
        document: document.map_err(|error| sqlx::Error::Decode(error.into()))?,
    })
}
