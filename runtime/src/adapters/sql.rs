//! The SQL text of a read model, for SQLite and PostgreSQL alike: `$n` placeholders and quoted names.

use std::fmt::Write;

use crate::adapters::shapes::Shape;
use crate::adapters::tables::columns;
use crate::ports::read_model::{Column, ColumnKind, Filter, Query, Table, Value};

/// Where two databases differ, and which of a database's tables are meant.
#[derive(Clone, Copy)]
pub struct Dialect {
    /// Before each table's name: the schema and a dot, or nothing.
    pub schema: &'static str,
    /// Behind each table's name.
    pub shape: Shape,
    /// Behind that: nothing, or what tells the tables of a rebuild from the living ones.
    pub suffix: &'static str,
    pub text: &'static str,
    pub integer: &'static str,
    pub uuid: &'static str,
    pub json: &'static str,
    /// `f(text, part)`: where `part` begins in `text`, 0 if nowhere.
    pub find: &'static str,
    /// How an index orders nulls so that they come before all else.
    pub nulls_first: &'static str,
}

/// A statement and the values of its placeholders. None of them is null.
pub struct Statement {
    pub text: String,
    pub values: Vec<Value>,
}

impl Dialect {
    /// For the tables of this shape.
    pub fn of(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    pub fn create(&self, table: &Table) -> String {
        self.create_with(table, "PRIMARY KEY")
    }

    /// The key is made once the rows are there.
    pub fn create_without_key(&self, table: &Table) -> String {
        self.create_with(table, "NOT NULL")
    }

    fn create_with(&self, table: &Table, id: &str) -> String {
        let mut columns = String::new();
        for column in table.columns {
            let kind = match column.kind {
                ColumnKind::Text => self.text,
                ColumnKind::Integer => self.integer,
                ColumnKind::Uuid => self.uuid,
            };
            // Writing into a String cannot fail.
            let _ = write!(columns, "\"{}\" {kind}, ", column.name);
        }
        let (name, uuid, json) = (self.name(table), self.uuid, self.json);
        format!("CREATE TABLE {name} (id {uuid} {id}, {columns}document {json} NOT NULL)")
    }

    /// One statement per index. `tag` tells their names from those that the database has.
    pub fn indexes(&self, table: &Table, tag: &str) -> Vec<String> {
        let index = |column: &Column| {
            let index = match self.schema {
                "" => format!("\"{}{}_by_{}{tag}\"", table.name, self.shape, column.name),
                // PostgreSQL puts an index into the schema of its table, and finds a name.
                _ => String::new(),
            };
            let (name, column, nulls) = (self.name(table), column.name, self.nulls_first);
            format!("CREATE INDEX {index} ON {name} (\"{column}\" {nulls}, id)")
        };
        table.columns.iter().map(index).collect()
    }

    pub fn drop(&self, table: &Table) -> String {
        format!("DROP TABLE IF EXISTS {}", self.name(table))
    }

    /// Gives a table its name without the suffix.
    pub fn rename(&self, table: &Table) -> String {
        let living = self.shape.name(table.name);
        format!("ALTER TABLE {} RENAME TO \"{living}\"", self.name(table))
    }

    pub fn clear(&self, table: &Table) -> String {
        format!("DELETE FROM {}", self.name(table))
    }

    pub fn list(&self, query: &Query) -> Statement {
        let mut statement = Statement {
            text: self.select(query.table),
            values: Vec::new(),
        };
        let mut conditions = self.conditions(&query.filters, &mut statement);
        if let Some((value, id)) = &query.after {
            conditions.push(behind(query, value, Value::Uuid(*id), &mut statement));
        }
        push_where(&mut statement.text, &conditions);
        let (direction, nulls) = if query.descending {
            ("DESC", "LAST")
        } else {
            ("ASC", "FIRST")
        };
        let column = query.order_by;
        // A page of more rows than i64 counts is all rows.
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
        let limit = statement.bind(Value::Integer(limit));
        let order = match column {
            "id" => format!("id {direction}"),
            _ => format!("\"{column}\" {direction} NULLS {nulls}, id {direction}"),
        };
        let _ = write!(statement.text, " ORDER BY {order} LIMIT {limit}");
        statement
    }

    pub fn count(&self, table: &Table, filters: &[Filter]) -> Statement {
        let mut statement = Statement {
            text: format!("SELECT count(*) FROM {}", self.name(table)),
            values: Vec::new(),
        };
        let conditions = self.conditions(filters, &mut statement);
        push_where(&mut statement.text, &conditions);
        statement
    }

    /// The head of an upsert, to be followed by `VALUES …` and [`Dialect::on_conflict`].
    pub fn insert(&self, table: &Table) -> String {
        format!("INSERT INTO {} ({}) ", self.name(table), columns(table))
    }

    pub fn on_conflict(&self, table: &Table) -> String {
        let mut text = " ON CONFLICT (id) DO UPDATE SET document = excluded.document".to_owned();
        for column in table.columns {
            let _ = write!(text, ", \"{0}\" = excluded.\"{0}\"", column.name);
        }
        text
    }

    pub fn name(&self, table: &Table) -> String {
        let (schema, shape, suffix) = (self.schema, self.shape, self.suffix);
        format!("{schema}\"{}{shape}{suffix}\"", table.name)
    }

    pub fn select(&self, table: &Table) -> String {
        format!("SELECT {} FROM {}", columns(table), self.name(table))
    }

    fn conditions(&self, filters: &[Filter], statement: &mut Statement) -> Vec<String> {
        let mut condition = |filter: &Filter| match filter {
            Filter::Equals(column, value) => equals(column, value, statement),
            Filter::OneOf(column, values) => {
                let any: Vec<_> = values
                    .iter()
                    .map(|v| equals(column, v, statement))
                    .collect();
                match any.is_empty() {
                    true => "1 = 0".to_owned(),
                    false => format!("({})", any.join(" OR ")),
                }
            }
            Filter::AtLeast(column, value) => compare(column, ">=", value, statement),
            Filter::Below(column, value) => compare(column, "<", value, statement),
            Filter::Contains(column, part) => {
                let part = statement.bind(Value::Text(part.to_ascii_lowercase()));
                format!("{}(lower(\"{column}\"), {part}) > 0", self.find)
            }
        };
        filters.iter().map(&mut condition).collect()
    }
}

impl Statement {
    fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }
}

fn push_where(text: &mut String, conditions: &[String]) {
    if !conditions.is_empty() {
        let _ = write!(text, " WHERE {}", conditions.join(" AND "));
    }
}

fn equals(column: &str, value: &Value, statement: &mut Statement) -> String {
    match value {
        Value::Null => format!("\"{column}\" IS NULL"),
        _ => format!("\"{column}\" = {}", statement.bind(value.clone())),
    }
}

/// As in SQL, nothing compares with null.
fn compare(column: &str, operator: &str, value: &Value, statement: &mut Statement) -> String {
    match value {
        Value::Null => "1 = 0".to_owned(),
        _ => format!("\"{column}\" {operator} {}", statement.bind(value.clone())),
    }
}

/// Rows behind the last one of a page; null sorts before every value.
fn behind(query: &Query, value: &Value, id: Value, statement: &mut Statement) -> String {
    let column = format!("\"{}\"", query.order_by);
    let operator = if query.descending { "<" } else { ">" };
    match value {
        Value::Null => {
            let id = statement.bind(id);
            let same = format!("({column} IS NULL AND id {operator} {id})");
            match query.descending {
                true => same,
                false => format!("({same} OR {column} IS NOT NULL)"),
            }
        }
        _ => {
            let (value, id) = (statement.bind(value.clone()), statement.bind(id));
            let further = format!("({column}, id) {operator} ({value}, {id})");
            match query.descending {
                true => format!("({further} OR {column} IS NULL)"),
                false => further,
            }
        }
    }
}
