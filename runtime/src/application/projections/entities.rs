//! The aggregates that one batch of events touches: loaded once, evolved in order, written once.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::application::error::ServiceError;
use crate::application::events::DecodedEvent;
use crate::application::views::Standing;
use crate::domain::aggregate::Aggregate;
use crate::ports::read_model::{Change, LaneGuard, Row, Table, Value};

/// Rows of one table that hold one aggregate each.
pub struct Entities<Id, A> {
    table: &'static Table,
    touched: BTreeMap<Uuid, Option<Standing<Id, A>>>,
}

impl<Id, A> Entities<Id, A>
where
    Id: From<Uuid> + Serialize + DeserializeOwned,
    A: Aggregate + Serialize + DeserializeOwned,
{
    /// Reads, all at once, how those stood whose streams these events continue.
    pub async fn before(
        events: impl Iterator<Item = &DecodedEvent>,
        table: &'static Table,
        lane: &mut dyn LaneGuard,
    ) -> Result<Self, ServiceError> {
        let mut seen = BTreeSet::new();
        let first = events.filter(|event| seen.insert(event.stream_id));
        let continued = first.filter(|event| event.version > 1);
        let continued: Vec<Uuid> = continued.map(|event| event.stream_id).collect();
        let mut touched = BTreeMap::new();
        if !continued.is_empty() {
            for row in lane.rows(table, &continued).await? {
                touched.insert(row.id, Some(document(table, row)?));
            }
        }
        Ok(Self { table, touched })
    }

    /// Evolves the aggregate whose stream the event belongs to; answers how it stands now.
    pub fn evolve(
        &mut self,
        envelope: &DecodedEvent,
        event: &A::Event,
    ) -> Option<&Standing<Id, A>> {
        let id = envelope.stream_id;
        let before = self.touched.remove(&id).flatten();
        let state = before.map(|standing| standing.entity);
        let after = A::evolve(state, event, envelope.recorded_at).map(|entity| Standing {
            id: Id::from(id),
            version: envelope.version,
            position: envelope.position,
            entity,
        });
        self.touched.entry(id).or_insert(after).as_ref()
    }

    /// One upsert for each row that was touched.
    pub fn into_changes(
        self,
        columns: impl Fn(&Standing<Id, A>) -> Vec<Value>,
    ) -> Result<Vec<Change>, ServiceError> {
        let table = self.table;
        let touched = self.touched.into_iter();
        let rows = touched.filter_map(|(id, standing)| Some((id, standing?)));
        rows.map(|(id, standing)| upsert(table, id, columns(&standing), &standing))
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
    let document = serde_json::to_value(document);
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
    serde_json::from_value(row.document).map_err(|error| corrupt(table, row.id, &error))
}

fn corrupt(table: &Table, id: Uuid, error: &serde_json::Error) -> ServiceError {
    ServiceError::Corrupt(format!("row {id} of {}: {error}", table.name))
}
