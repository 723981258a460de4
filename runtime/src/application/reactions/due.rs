//! Timers: rows of the table `due`, set and cleared in the transaction that moves the lane's checkpoint.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::application::error::ServiceError;
use crate::application::projections::entities::{document, upsert};
use crate::ports::event_store::StoreError;
use crate::ports::read_model::{
    Change, Column, ColumnKind, Filter, LaneRows, Query, ReadModel, Table, Value,
};

/// The lane of reactions: its checkpoint and its timers move together.
pub const LANE: &str = "reactions";

/// What is due, for whom, and when.
pub static DUE: Table = Table {
    name: "due",
    lane: LANE,
    revision: 1,
    columns: &[Column {
        name: "due_at",
        kind: ColumnKind::Integer,
    }],
};

/// Tells rows of timers and ids of commands from all other names (RFC 9562, version 5).
const NAMES: Uuid = Uuid::from_u128(0x5d0f_7a52_6c4b_5b53_9a0e_0d6c_e2b1_f8a4);

/// What a policy is to be told at a time: one for each policy and subject, the one that was set last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// Name of the policy.
    pub policy: String,
    /// What it is about: a stream.
    pub subject: Uuid,
    pub due_at: Timestamp,
    pub cause: Cause,
}

/// The event that something follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    pub position: i64,
    pub event_id: Uuid,
}

impl Cause {
    /// The id of the command that `policy` gives because of this: the same at every attempt, in every process.
    pub fn command_id(&self, policy: &str) -> Uuid {
        let name = format!("command {policy} {}", self.position);
        Uuid::new_v5(&NAMES, name.as_bytes())
    }
}

impl Timer {
    /// Sets it, in the place of the one that is set for the same policy and subject.
    ///
    /// # Errors
    /// Never in practice: when it cannot be written as JSON.
    pub fn set(&self) -> Result<Change, ServiceError> {
        let due_at = Value::Integer(self.due_at.as_microsecond());
        upsert(&DUE, row(&self.policy, self.subject), vec![due_at], self)
    }
}

/// Clears the timer of a policy, if one is set.
pub fn clear(policy: &str, subject: Uuid) -> Change {
    Change::Delete(&DUE, row(policy, subject))
}

/// At most `limit` timers that are due, the oldest first.
///
/// # Errors
/// When rows cannot be read.
pub async fn due(
    rows: &mut dyn LaneRows,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Timer>, ServiceError> {
    let after_now = now.as_microsecond().saturating_add(1);
    let filters = vec![Filter::Below("due_at", Value::Integer(after_now))];
    let rows = rows.list(earliest(filters, limit)).await?;
    rows.into_iter().map(|row| document(&DUE, row)).collect()
}

/// When the next timer is due; none when none is set.
///
/// # Errors
/// When rows cannot be read.
pub async fn next(read_model: &dyn ReadModel) -> Result<Option<Timestamp>, ServiceError> {
    let first = read_model.list(earliest(Vec::new(), 1)).await?.pop();
    let first = first.map(|row| document::<Timer>(&DUE, row)).transpose()?;
    Ok(first.map(|timer| timer.due_at))
}

/// Makes the table, if need be.
///
/// # Errors
/// When the read model is unavailable.
pub async fn prepare(read_model: &dyn ReadModel) -> Result<(), StoreError> {
    read_model.prepare(&[&DUE]).await
}

fn earliest(filters: Vec<Filter>, limit: usize) -> Query {
    Query {
        table: &DUE,
        filters,
        order_by: "due_at",
        descending: false,
        after: None,
        limit,
    }
}

fn row(policy: &str, subject: Uuid) -> Uuid {
    let name = format!("timer {policy} {subject}");
    Uuid::new_v5(&NAMES, name.as_bytes())
}
