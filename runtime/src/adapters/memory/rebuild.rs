//! The next version of a lane's tables in memory.

use std::collections::HashMap;

use async_trait::async_trait;
use uuid::Uuid;

use crate::adapters::lanes::LaneLock;
use crate::adapters::memory::read_model::{self, MemoryReadModel, Rows};
use crate::adapters::tables;
use crate::ports::event_store::StoreError;
use crate::ports::read_model::{Change, Checkpoint, LaneRows, Query, Rebuild, Row, Table};

/// No lane is called so: held by whoever rebuilds.
const REBUILD: &str = "rebuild:";

struct Building {
    model: MemoryReadModel,
    lane: &'static str,
    next: HashMap<&'static str, Rows>,
    held: Option<LaneLock>,
    _lock: LaneLock,
}

pub fn begin(
    model: &MemoryReadModel,
    lane: &'static str,
    tables: &'static [&'static Table],
) -> Result<Option<Box<dyn Rebuild>>, StoreError> {
    let Some(lock) = model.lanes.try_lock(REBUILD) else {
        return Ok(None);
    };
    for table in tables {
        tables::check_table(table)?;
    }
    let next = tables.iter().map(|table| (table.name, Rows::new()));
    Ok(Some(Box::new(Building {
        model: model.clone(),
        lane,
        next: next.collect(),
        held: None,
        _lock: lock,
    })))
}

#[async_trait]
impl LaneRows for Building {
    async fn rows(&mut self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        let rows = self.table(table)?;
        Ok(ids.iter().filter_map(|id| rows.get(id).cloned()).collect())
    }

    async fn list(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        read_model::list(self.table(query.table)?, &query)
    }
}

#[async_trait]
impl Rebuild for Building {
    async fn write(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        for of_table in tables::reduce(changes)? {
            let rows = self.table(of_table.table)?;
            rows.extend(of_table.upserts.into_iter().map(|row| (row.id, row)));
            for id in of_table.deletes {
                rows.remove(&id);
            }
        }
        Ok(())
    }

    async fn index(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn lock_lane(&mut self) -> Result<Checkpoint, StoreError> {
        self.held = Some(self.model.lanes.lock(self.lane).await);
        Ok(self.model.state().checkpoint(self.lane))
    }

    async fn swap(self: Box<Self>, checkpoint: Checkpoint) -> Result<(), StoreError> {
        if self.held.is_none() {
            return Err(format!("lane {} is not held", self.lane).into());
        }
        let mut state = self.model.state();
        state.tables.extend(self.next);
        state.checkpoints.insert(self.lane, checkpoint);
        Ok(())
    }
}

impl Building {
    fn table(&mut self, table: &Table) -> Result<&mut Rows, StoreError> {
        let rows = self.next.get_mut(table.name);
        rows.ok_or_else(|| format!("table {} is not rebuilt", table.name).into())
    }
}
