//! Aggregates that events touch: loaded once, evolved in order, written once.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::application::error::ServiceError;
use crate::application::events::DecodedEvent;
use crate::application::views::Standing;
use crate::domain::aggregate::Aggregate;
use crate::ports::read_model::{Change, Filter, LaneRows, Query, Row, Table, Value};

/// Rows of one table that hold one aggregate each.
pub struct Entities<Id, A> {
    table: &'static Table,
    touched: BTreeMap<Uuid, Standing<Id, A>>,
}

impl<Id, A> Entities<Id, A>
where
    Id: From<Uuid> + Serialize + DeserializeOwned,
    A: Aggregate + Serialize + DeserializeOwned,
{
    pub fn new(table: &'static Table) -> Self {
        Self {
            table,
            touched: BTreeMap::new(),
        }
    }

    /// Reads, all at once, how those stood whose streams these events continue, unless they are at hand.
    pub async fn load(
        &mut self,
        events: impl Iterator<Item = &DecodedEvent>,
        rows: &mut dyn LaneRows,
    ) -> Result<(), ServiceError> {
        let mut seen = BTreeSet::new();
        let first = events.filter(|event| seen.insert(event.stream_id));
        let continued = first.filter(|event| event.version > 1);
        self.load_ids(continued.map(|event| event.stream_id), rows)
            .await
    }

    /// Reads, all at once, how these stood, unless they are at hand.
    pub async fn load_ids(
        &mut self,
        ids: impl Iterator<Item = Uuid>,
        rows: &mut dyn LaneRows,
    ) -> Result<(), ServiceError> {
        let unknown = ids.filter(|id| !self.touched.contains_key(id));
        let unknown: Vec<Uuid> = unknown.collect();
        if !unknown.is_empty() {
            for row in rows.rows(self.table, &unknown).await? {
                self.touched.insert(row.id, document(self.table, row)?);
            }
        }
        Ok(())
    }

    /// Reads all rows that the filter selects, unless they are at hand.
    pub async fn load_where(
        &mut self,
        filter: Filter,
        rows: &mut dyn LaneRows,
    ) -> Result<(), ServiceError> {
        let query = Query {
            table: self.table,
            filters: vec![filter],
            order_by: "id",
            descending: false,
            after: None,
            limit: usize::MAX,
        };
        for row in rows.list(query).await? {
            if !self.touched.contains_key(&row.id) {
                self.touched.insert(row.id, document(self.table, row)?);
            }
        }
        Ok(())
    }

    /// Those at hand, to be changed.
    pub fn entities(&mut self) -> impl Iterator<Item = &mut A> {
        self.touched
            .values_mut()
            .map(|standing| &mut standing.entity)
    }

    /// One of those at hand, to be changed.
    pub fn entity(&mut self, id: Uuid) -> Option<&mut A> {
        self.touched
            .get_mut(&id)
            .map(|standing| &mut standing.entity)
    }

    /// Evolves the aggregate whose stream the event belongs to; answers how it stands now.
    pub fn evolve(
        &mut self,
        envelope: &DecodedEvent,
        event: &A::Event,
    ) -> Option<&Standing<Id, A>> {
        let id = envelope.stream_id;
        let before = self.touched.remove(&id).map(|standing| standing.entity);
        let entity = A::evolve(before, event, envelope.recorded_at)?;
        let after = Standing {
            id: Id::from(id),
            version: envelope.version,
            position: envelope.position,
            entity,
        };
        Some(self.touched.entry(id).or_insert(after))
    }

    /// How many are at hand.
    pub fn count(&self) -> usize {
        self.touched.len()
    }

    /// Lets go of all but the `keep` whose last events are the latest: one upsert for each, by ascending id.
    pub fn let_go(
        &mut self,
        keep: usize,
        columns: impl Fn(&Standing<Id, A>) -> Vec<Value>,
    ) -> Result<Vec<Change>, ServiceError> {
        let mut positions: Vec<i64> = self.touched.values().map(|it| it.position).collect();
        positions.sort_unstable();
        let kept_from = match positions.len().checked_sub(keep) {
            None => return Ok(Vec::new()),
            Some(first) => positions.get(first).copied().unwrap_or(i64::MAX),
        };
        let old = self.touched.extract_if(.., |_, it| it.position < kept_from);
        old.map(|(id, standing)| upsert(self.table, id, columns(&standing), &standing))
            .collect()
    }
}

/// A change that writes `document` under `id`.
pub fn upsert(
    table: &'static Table,
    id: Uuid,
    values: Vec<Value>,
    document: &impl Serialize,
) -> Result<Change, ServiceError> {
    let document = serde_json::to_string(document);
    let document = document.map_err(|error| corrupt(table, id, &error))?;
    let row = Row {
        id,
        values,
        document,
    };
    Ok(Change::Upsert(table, row))
}

/// What a row's document holds.
pub fn document<T: DeserializeOwned>(table: &'static Table, row: Row) -> Result<T, ServiceError> {
    serde_json::from_str(&row.document).map_err(|error| corrupt(table, row.id, &error))
}

fn corrupt(table: &Table, id: Uuid, error: &serde_json::Error) -> ServiceError {
    ServiceError::Corrupt(format!("row {id} of {}: {error}", table.name))
}
