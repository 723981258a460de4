//! The read model in memory.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use crate::adapters::lanes::{LaneLock, Lanes};
use crate::adapters::memory::rebuild;
use crate::adapters::tables;
use crate::ports::event_store::StoreError;
use crate::ports::read_model::{
    Change, Checkpoint, CommitError, Filter, LaneGuard, LaneRows, Query, ReadModel, Rebuild, Row,
    Table, Value,
};

/// The query side of one tenant.
#[derive(Clone, Default)]
pub struct MemoryReadModel {
    pub lanes: Lanes,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub struct State {
    pub tables: HashMap<&'static str, Rows>,
    pub checkpoints: HashMap<&'static str, Checkpoint>,
}

/// What a table holds.
pub type Rows = BTreeMap<Uuid, Row>;

impl MemoryReadModel {
    pub fn new() -> Self {
        Self::default()
    }

    /// In bytes: the documents with their rows.
    pub fn size(&self) -> usize {
        let state = self.state();
        let rows = state.tables.values().flat_map(BTreeMap::values);
        rows.map(|row| size_of::<Row>() + row.document.len()).sum()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ReadModel for MemoryReadModel {
    async fn prepare(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        for table in tables {
            tables::check_table(table)?;
            self.state().tables.entry(table.name).or_default();
        }
        Ok(())
    }

    /// No other release shares a process's memory.
    async fn keep(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn lock_lane(
        &self,
        lane: &'static str,
    ) -> Result<Option<Box<dyn LaneGuard>>, StoreError> {
        let Some(lock) = self.lanes.try_lock(lane) else {
            return Ok(None);
        };
        Ok(Some(Box::new(Guard {
            model: self.clone(),
            lane,
            checkpoint: self.state().checkpoint(lane),
            _lock: lock,
        })))
    }

    async fn checkpoint(&self, lane: &'static str) -> Result<Checkpoint, StoreError> {
        Ok(self.state().checkpoint(lane))
    }

    async fn rows(&self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        let mut state = self.state();
        let rows = state.rows(table)?;
        Ok(ids.iter().filter_map(|id| rows.get(id).cloned()).collect())
    }

    async fn list(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        list(self.state().rows(query.table)?, &query)
    }

    async fn count(&self, table: &'static Table, filters: Vec<Filter>) -> Result<i64, StoreError> {
        tables::check_filters(table, &filters)?;
        let mut state = self.state();
        let rows = state.rows(table)?.values();
        let matching = rows.filter(|row| filters.iter().all(|filter| matches(table, row, filter)));
        Ok(matching.count() as i64)
    }

    async fn rebuild(
        &self,
        lane: &'static str,
        tables: &'static [&'static Table],
    ) -> Result<Option<Box<dyn Rebuild>>, StoreError> {
        rebuild::begin(self, lane, tables)
    }
}

struct Guard {
    model: MemoryReadModel,
    lane: &'static str,
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
        checkpoint: Checkpoint,
    ) -> Result<(), CommitError> {
        let mut state = self.model.state();
        for change in &changes {
            match change {
                Change::Upsert(table, row) => {
                    state.rows(table)?;
                    tables::check_row(table, row)?;
                }
                Change::Delete(table, _) => {
                    state.rows(table)?;
                }
            }
        }
        for change in changes {
            match change {
                Change::Upsert(table, row) => state.rows(table)?.insert(row.id, row),
                Change::Delete(table, id) => state.rows(table)?.remove(&id),
            };
        }
        state.checkpoints.insert(self.lane, checkpoint);
        Ok(())
    }

    async fn reset(
        self: Box<Self>,
        tables: &[&'static Table],
        epoch: Uuid,
    ) -> Result<(), CommitError> {
        let mut state = self.model.state();
        for table in tables {
            state.rows(table)?.clear();
        }
        let start = Checkpoint { epoch, position: 0 };
        state.checkpoints.insert(self.lane, start);
        Ok(())
    }
}

impl State {
    fn rows(&mut self, table: &Table) -> Result<&mut Rows, StoreError> {
        let rows = self.tables.get_mut(table.name);
        rows.ok_or_else(|| format!("table {} was not prepared", table.name).into())
    }

    pub fn checkpoint(&self, lane: &str) -> Checkpoint {
        let start = Checkpoint {
            epoch: Uuid::nil(),
            position: 0,
        };
        self.checkpoints.get(lane).copied().unwrap_or(start)
    }
}

/// What the query selects of a table's rows.
pub fn list(rows: &Rows, query: &Query) -> Result<Vec<Row>, StoreError> {
    tables::check_query(query)?;
    let table = query.table;
    let direction = |order: Ordering| {
        if query.descending {
            order.reverse()
        } else {
            order
        }
    };
    let key = |row: &Row| (value(table, row, query.order_by), row.id);
    let mut found: Vec<&Row> = rows
        .values()
        .filter(|row| {
            query
                .filters
                .iter()
                .all(|filter| matches(table, row, filter))
        })
        .filter(|row| match &query.after {
            Some(after) => direction(key(row).cmp(after)).is_gt(),
            None => true,
        })
        .collect();
    found.sort_by(|a, b| direction(key(a).cmp(&key(b))));
    Ok(found.into_iter().take(query.limit).cloned().collect())
}

fn value(table: &Table, row: &Row, column: &str) -> Value {
    if column == "id" {
        return Value::Uuid(row.id);
    }
    let index = table.columns.iter().position(|c| c.name == column);
    let value = index.and_then(|index| row.values.get(index));
    value.cloned().unwrap_or(Value::Null)
}

fn matches(table: &Table, row: &Row, filter: &Filter) -> bool {
    match filter {
        Filter::Equals(column, wanted) => value(table, row, column) == *wanted,
        Filter::OneOf(column, wanted) => wanted.contains(&value(table, row, column)),
        Filter::AtLeast(column, bound) => {
            let value = value(table, row, column);
            value != Value::Null && *bound != Value::Null && value >= *bound
        }
        Filter::Below(column, bound) => {
            let value = value(table, row, column);
            value != Value::Null && value < *bound
        }
        Filter::Contains(column, part) => match value(table, row, column) {
            Value::Text(text) => text
                .to_ascii_lowercase()
                .contains(&part.to_ascii_lowercase()),
            _ => false,
        },
    }
}
