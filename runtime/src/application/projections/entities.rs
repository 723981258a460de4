//! The aggregates that one batch of events touches: loaded once, evolved in order, written once.

use std::collections::BTreeMap;

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
    pub fn of(table: &'static Table) -> Self {
        Self {
            table,
            touched: BTreeMap::new(),
        }
    }

    /// Evolves the aggregate whose stream the event belongs to; answers how it stands now.
    pub async fn evolve(
        &mut self,
        lane: &mut dyn LaneGuard,
        envelope: &DecodedEvent,
        event: &A::Event,
    ) -> Result<Option<&Standing<Id, A>>, ServiceError> {
        let id = envelope.stream_id;
        let before = match self.touched.remove(&id) {
            Some(known) => known,
            None if envelope.version == 1 => None,
            None => self.load(lane, id).await?,
        };
        let state = before.map(|standing| standing.entity);
        let after = A::evolve(state, event, envelope.recorded_at).map(|entity| Standing {
            id: Id::from(id),
            version: envelope.version,
            position: envelope.position,
            entity,
        });
        Ok(self.touched.entry(id).or_insert(after).as_ref())
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

    async fn load(
        &self,
        lane: &mut dyn LaneGuard,
        id: Uuid,
    ) -> Result<Option<Standing<Id, A>>, ServiceError> {
        let row = lane.get(self.table, id).await?;
        row.map(|row| document(self.table, row)).transpose()
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
