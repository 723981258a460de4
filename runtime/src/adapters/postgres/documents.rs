//! Rows of the read model as PostgreSQL writes and reads them.

use std::borrow::Cow;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, AssertSqlSafe, PgConnection, Row as _, query, query_with};
use uuid::Uuid;

use crate::adapters::shapes::Shape;
use crate::adapters::sql::Dialect;
use crate::adapters::tables;
use crate::ports::event_store::StoreError;
use crate::ports::read_model::{Column, ColumnKind, Query, Row, Table, Value};

/// The living tables.
pub const DIALECT: Dialect = Dialect {
    schema: "read.",
    shape: Shape::FIRST,
    suffix: "",
    text: "text COLLATE \"C\"",
    integer: "bigint",
    uuid: "uuid",
    json: "json",
    find: "strpos",
    nulls_first: "NULLS FIRST",
};

/// Writes what is left of a commit's changes to one of the tables that `dialect` names.
pub async fn apply(
    connection: &mut PgConnection,
    dialect: &Dialect,
    changes: tables::TableChanges,
) -> Result<(), StoreError> {
    let table = changes.table;
    if !changes.upserts.is_empty() {
        let (sql, values) = upsert(dialect, table, &changes.upserts)?;
        query_with(AssertSqlSafe(sql), values)
            .execute(&mut *connection)
            .await?;
    }
    if !changes.deletes.is_empty() {
        let delete = format!("DELETE FROM {} WHERE id = ANY ($1)", dialect.name(table));
        let query = query(AssertSqlSafe(delete)).bind(changes.deletes);
        query.execute(connection).await?;
    }
    Ok(())
}

/// One statement whatever the number of rows: an array per column.
fn upsert(
    dialect: &Dialect,
    table: &Table,
    rows: &[Row],
) -> Result<(String, PgArguments), StoreError> {
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
            .map(|row| row.document.as_str())
            .collect::<Vec<_>>(),
    )?;
    let document = table.columns.len() + 1;
    selected.push(format!("x.c{document}::json"));
    let list = |name: fn(usize) -> String| (0..=document).map(name).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "{}SELECT {} FROM unnest({}) AS x({}){}",
        dialect.insert(table),
        selected.join(", "),
        list(|n| format!("${}", n + 1)),
        list(|n| format!("c{n}")),
        dialect.on_conflict(table)
    );
    Ok((sql, values))
}

pub fn as_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => Some(without_nul(text)),
        _ => None,
    }
}

pub fn as_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(integer) => Some(*integer),
        _ => None,
    }
}

pub fn as_uuid(value: &Value) -> Option<Uuid> {
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

/// The rows with these ids, of the tables that `dialect` names.
pub async fn rows(
    connection: &mut PgConnection,
    dialect: &Dialect,
    table: &'static Table,
    ids: &[Uuid],
) -> Result<Vec<Row>, sqlx::Error> {
    let select = format!("{} WHERE id = ANY ($1)", dialect.select(table));
    let query = query(AssertSqlSafe(select)).bind(ids);
    let found = query.try_map(|found: PgRow| row(table, &found));
    found.fetch_all(connection).await
}

/// What the query selects of the tables that `dialect` names.
pub async fn list(
    connection: &mut PgConnection,
    dialect: &Dialect,
    wanted: &Query,
) -> Result<Vec<Row>, StoreError> {
    tables::check_query(wanted)?;
    let statement = dialect.list(wanted);
    let values = arguments(&statement.values)?;
    let found = query_with(AssertSqlSafe(statement.text), values)
        .try_map(|found: PgRow| row(wanted.table, &found));
    Ok(found.fetch_all(connection).await?)
}

pub fn arguments(values: &[Value]) -> Result<PgArguments, StoreError> {
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
    Ok(Row {
        id: found.try_get("id")?,
        values: (1..)
            .zip(table.columns)
            .map(value)
            .collect::<Result<_, sqlx::Error>>()?,
        // As text, which the driver takes JSON for only where it is not asked.
        document: found.try_get_unchecked("document")?,
    })
}
