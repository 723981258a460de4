//! What every read model checks about tables, rows and queries: a mistake fails alike everywhere.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::ports::event_store::StoreError;
use crate::ports::read_model::{Change, Column, ColumnKind, Filter, Query, Row, Table, Value};

/// With what tells shapes apart and [`NEXT`] behind it, a table's name stays within the 63 bytes of PostgreSQL's.
const MAX_NAME: usize = 29;
/// What the names of tables end with while they are built beside the living ones.
pub const NEXT: &str = "_next";

/// What is left of a commit's changes to one table: the last one of each row.
pub struct TableChanges {
    pub table: &'static Table,
    pub upserts: Vec<Row>,
    pub deletes: Vec<Uuid>,
}

/// Checks the changes and drops those that a later one of the same commit undoes.
pub fn reduce(changes: Vec<Change>) -> Result<Vec<TableChanges>, StoreError> {
    let mut tables: BTreeMap<&'static str, (&'static Table, BTreeMap<Uuid, Option<Row>>)> =
        BTreeMap::new();
    for change in changes {
        let (table, id, row) = match change {
            Change::Upsert(table, row) => {
                check_row(table, &row)?;
                (table, row.id, Some(row))
            }
            Change::Delete(table, id) => (table, id, None),
        };
        let (_, rows) = tables.entry(table.name).or_insert((table, BTreeMap::new()));
        rows.insert(id, row);
    }
    let reduced = tables.into_values().map(|(table, rows)| TableChanges {
        table,
        deletes: rows
            .iter()
            .filter(|(_, row)| row.is_none())
            .map(|(id, _)| *id)
            .collect(),
        upserts: rows.into_values().flatten().collect(),
    });
    Ok(reduced.collect())
}

/// A table's columns in the order in which rows are written and read.
pub fn columns(table: &Table) -> String {
    let names = table
        .columns
        .iter()
        .map(|column| format!("\"{}\", ", column.name));
    format!("id, {}document", names.collect::<String>())
}

/// Tells whether a table is as this release declares it.
pub fn layout(table: &Table) -> String {
    let column = |column: &Column| format!("{} {:?}", column.name, column.kind);
    let mut parts: Vec<_> = table.columns.iter().map(column).collect();
    // Nothing for the first: what databases began with is called by its columns alone.
    if table.revision > 1 {
        parts.push(format!("documents {}", table.revision));
    }
    parts.join(", ")
}

/// Checks that a living table, whose layout was noted when it was made, is there and the one that this release knows.
pub fn check_layout(table: &Table, noted: Option<String>) -> Result<(), StoreError> {
    if noted == Some(layout(table)) {
        return Ok(());
    }
    let name = table.name;
    Err(format!(
        "table {name} was made anew or dropped by another release of the program: run this again, with the release that serves"
    )
    .into())
}

/// The kind of a column, `id` included.
pub fn column(table: &Table, name: &str) -> Result<ColumnKind, StoreError> {
    if name == "id" {
        return Ok(ColumnKind::Uuid);
    }
    let column = table.columns.iter().find(|column| column.name == name);
    match column {
        Some(column) => Ok(column.kind),
        None => Err(format!("table {} has no column {name}", table.name).into()),
    }
}

/// Checks that names are plain lower-case identifiers: they become part of SQL text.
pub fn check_table(table: &Table) -> Result<(), StoreError> {
    let names = table.columns.iter().map(|column| column.name);
    for name in names.chain([table.name, table.lane]) {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(plain) {
            return Err(format!("{name:?} is no plain identifier").into());
        }
        if name.ends_with(NEXT) {
            return Err(format!("{name:?} is the name of a table in a rebuild").into());
        }
    }
    Ok(())
}

pub fn check_row(table: &Table, row: &Row) -> Result<(), StoreError> {
    if row.values.len() != table.columns.len() {
        return Err(format!("a row of table {} has the wrong width", table.name).into());
    }
    for (column, value) in table.columns.iter().zip(&row.values) {
        check_value(table, column.name, column.kind, value)?;
    }
    Ok(())
}

pub fn check_filters(table: &Table, filters: &[Filter]) -> Result<(), StoreError> {
    for filter in filters {
        match filter {
            Filter::Equals(name, value)
            | Filter::AtLeast(name, value)
            | Filter::Below(name, value) => {
                check_value(table, name, column(table, name)?, value)?;
            }
            Filter::OneOf(name, values) => {
                let kind = column(table, name)?;
                for value in values {
                    check_value(table, name, kind, value)?;
                }
            }
            Filter::Contains(name, _) => {
                if column(table, name)? != ColumnKind::Text {
                    return Err(format!("column {name} of {} is not text", table.name).into());
                }
            }
        }
    }
    Ok(())
}

pub fn check_query(query: &Query) -> Result<(), StoreError> {
    check_filters(query.table, &query.filters)?;
    let kind = column(query.table, query.order_by)?;
    match &query.after {
        Some((value, _)) => check_value(query.table, query.order_by, kind, value),
        None => Ok(()),
    }
}

fn check_value(
    table: &Table,
    name: &str,
    kind: ColumnKind,
    value: &Value,
) -> Result<(), StoreError> {
    match (kind, value) {
        (_, Value::Null)
        | (ColumnKind::Text, Value::Text(_))
        | (ColumnKind::Integer, Value::Integer(_))
        | (ColumnKind::Uuid, Value::Uuid(_)) => Ok(()),
        _ => Err(format!("column {name} of {} takes {kind:?}", table.name).into()),
    }
}
