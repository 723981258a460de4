//! Who changed what about a PIREP, when and why.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::application::history;

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Oldest first.
    pub items: Vec<HistoryEntry>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Position in the log.
    pub position: i64,
    /// Version of the PIREP after it.
    pub version: i32,
    #[schema(example = "Submitted")]
    pub event: String,
    pub at: Timestamp,
    pub actor: ActorRef,
    pub reason: Option<String>,
    pub changes: Vec<FieldChange>,
}

/// Who did it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActorRef {
    /// `user`, `operator`, `system`, `command-line` or `anonymous`.
    #[schema(example = "user")]
    pub kind: String,
    pub id: Option<Uuid>,
    pub display_name: Option<String>,
}

/// One member that an event changed.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// JSON pointer into the PIREP.
    #[schema(example = "/plan/route")]
    pub path: String,
    #[schema(value_type = Option<Value>)]
    pub from: serde_json::Value,
    #[schema(value_type = Option<Value>)]
    pub to: serde_json::Value,
}

impl From<history::HistoryEntry> for HistoryEntry {
    fn from(entry: history::HistoryEntry) -> Self {
        Self {
            position: entry.position,
            version: entry.version,
            event: entry.event,
            at: entry.at,
            actor: ActorRef {
                kind: entry.actor.kind.to_owned(),
                id: entry.actor.id.map(Into::into),
                display_name: entry.actor.display_name,
            },
            reason: entry.reason,
            changes: entry.changes.into_iter().map(change).collect(),
        }
    }
}

fn change(change: history::FieldChange) -> FieldChange {
    FieldChange {
        path: change.path,
        from: change.from,
        to: change.to,
    }
}
