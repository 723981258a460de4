//! Rows of the read model as SQLite writes and reads them.

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, QueryBuilder, Row as _, Sqlite, SqliteConnection};
use uuid::Uuid;

use crate::adapters::shapes::Shape;
use crate::adapters::sql::Dialect;
use crate::adapters::{batch, tables};
use crate::ports::event_store::StoreError;
use crate::ports::read_model::{Column, ColumnKind, Query, Row, Table, Value};

/// The living tables.
pub const DIALECT: Dialect = Dialect {
    schema: "",
    shape: Shape::FIRST,
    suffix: "",
    text: "TEXT",
    integer: "INTEGER",
    uuid: "BLOB",
    json: "TEXT",
    find: "instr",
    nulls_first: "",
};
const CHUNKS: [usize; 3] = [64, 8, 1];

/// Writes what is left of a commit's changes to one of the tables that `dialect` names.
pub async fn apply(
    connection: &mut SqliteConnection,
    dialect: &Dialect,
    changes: &tables::TableChanges,
) -> Result<(), sqlx::Error> {
    let table = changes.table;
    for chunk in batch::chunks(&changes.upserts, &CHUNKS) {
        let mut query = QueryBuilder::<Sqlite>::new(dialect.insert(table));
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
            values.push_bind(row.document.as_str());
        });
        query.push(dialect.on_conflict(table));
        query.build().execute(&mut *connection).await?;
    }
    for id in &changes.deletes {
        let delete = format!("DELETE FROM {} WHERE id = ?", dialect.name(table));
        sqlx::query(AssertSqlSafe(delete))
            .bind(*id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The rows with these ids, of the tables that `dialect` names.
pub async fn rows(
    connection: &mut SqliteConnection,
    dialect: &Dialect,
    table: &'static Table,
    ids: &[Uuid],
) -> Result<Vec<Row>, sqlx::Error> {
    let mut rows = Vec::with_capacity(ids.len());
    for chunk in batch::chunks(ids, &CHUNKS) {
        let mut query = QueryBuilder::<Sqlite>::new(dialect.select(table));
        query.push(" WHERE id IN (");
        let mut listed = query.separated(", ");
        for id in chunk {
            listed.push_bind(*id);
        }
        query.push(")");
        let found = query.build().try_map(|found| row(table, &found));
        rows.extend(found.fetch_all(&mut *connection).await?);
    }
    Ok(rows)
}

/// What the query selects of the tables that `dialect` names.
pub async fn list(
    connection: &mut SqliteConnection,
    dialect: &Dialect,
    query: &Query,
) -> Result<Vec<Row>, StoreError> {
    tables::check_query(query)?;
    let statement = dialect.list(query);
    let values = arguments(&statement.values)?;
    let found = sqlx::query_with(AssertSqlSafe(statement.text), values)
        .try_map(|found| row(query.table, &found));
    Ok(found.fetch_all(connection).await?)
}

pub fn arguments(values: &[Value]) -> Result<SqliteArguments, StoreError> {
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
    let value = |(index, column): (usize, &Column)| {
        Ok(match column.kind {
            ColumnKind::Text => found.try_get::<Option<_>, _>(index)?.map(Value::Text),
            ColumnKind::Integer => found.try_get::<Option<_>, _>(index)?.map(Value::Integer),
            ColumnKind::Uuid => found.try_get::<Option<_>, _>(index)?.map(Value::Uuid),
        }
        .unwrap_or(Value::Null))
    };
    Ok(Row {
        id: found.try_get("id")?,
        values: (1..)
            .zip(table.columns)
            .map(value)
            .collect::<Result<_, sqlx::Error>>()?,
        document: found.try_get("document")?,
    })
}
