//! Pages of a table: what several queries find, merged in one order.

use std::cmp::Ordering;

use serde::de::DeserializeOwned;

use crate::application::error::ServiceError;
use crate::application::paging::{self, Listed, Page};
use crate::application::projections::entities::document;
use crate::ports::read_model::{ColumnKind, Filter, Query, ReadModel, Row, Table, Value};

/// Order of a list; ids break ties in the same direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    pub column: &'static str,
    pub descending: bool,
}

/// The rows that match any of `alternatives`, a page at a time. `list` names all that the list depends on.
pub async fn page<T: DeserializeOwned>(
    read_model: &dyn ReadModel,
    table: &'static Table,
    alternatives: Vec<Vec<Filter>>,
    sort: Sort,
    list: &str,
    page: &Page,
) -> Result<Listed<T>, ServiceError> {
    let list = format!("{list} {sort:?}");
    let limit = page.limit();
    let mut columns = table.columns.iter();
    let sorted = columns.find(|column| column.name == sort.column);
    let kind = sorted.map_or(ColumnKind::Uuid, |column| column.kind);
    let query = Query {
        table,
        filters: Vec::new(),
        order_by: sort.column,
        descending: sort.descending,
        after: page.after(&list, kind)?,
        limit: limit + 1,
    };
    let mut found: Vec<(Value, Row)> = Vec::new();
    for filters in alternatives {
        let query = Query {
            filters,
            ..query.clone()
        };
        let rows = read_model.list(query.clone()).await?;
        found.extend(
            rows.into_iter()
                .map(|row| (paging::sort_value(&query, &row), row)),
        );
    }
    found.sort_by(|one, other| in_order(sort, one, other));
    found.dedup_by_key(|(_, row)| row.id);
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    let next = last
        .map(|(value, row)| paging::cursor(&list, value.clone(), row.id))
        .transpose()?;
    let items = found.into_iter().map(|(_, row)| document(table, row));
    Ok(Listed {
        items: items.collect::<Result<_, _>>()?,
        next,
    })
}

fn in_order(sort: Sort, (one, row): &(Value, Row), (other, another): &(Value, Row)) -> Ordering {
    let order = (one, row.id).cmp(&(other, another.id));
    if sort.descending {
        order.reverse()
    } else {
        order
    }
}

/// Every row that matches, in ascending order, however many: for what is declared, never for what people add.
pub async fn all<T: DeserializeOwned>(
    read_model: &dyn ReadModel,
    table: &'static Table,
    filters: Vec<Filter>,
    order_by: &'static str,
) -> Result<Vec<T>, ServiceError> {
    const PAGE: usize = 1_000;
    let mut query = Query {
        table,
        filters,
        order_by,
        descending: false,
        after: None,
        limit: PAGE,
    };
    let mut all = Vec::new();
    loop {
        let rows = read_model.list(query.clone()).await?;
        let last = rows.get(PAGE - 1);
        query.after = last.map(|row| (paging::sort_value(&query, row), row.id));
        for row in rows {
            all.push(document(table, row)?);
        }
        if query.after.is_none() {
            return Ok(all);
        }
    }
}
