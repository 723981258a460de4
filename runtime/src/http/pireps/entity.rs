//! A PIREP as it is answered.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::pireps::input::{Credit, SourceKind};
use crate::http::pireps::plan::{Plan, Report};

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pirep {
    pub id: Uuid,
    #[schema(example = 3)]
    pub version: i32,
    pub state: PirepState,
    /// Whose turn it is, while it is `Submitted`.
    pub awaits: Option<Awaits>,
    pub pilot: PersonRef,
    pub source: Source,
    pub plan: Plan,
    pub report: Report,
    pub remarks: Option<String>,
    pub track: TrackSummary,
    pub created_at: Timestamp,
    pub submitted_at: Option<Timestamp>,
    pub decided_at: Option<Timestamp>,
    pub decision: Option<Decision>,
    pub warnings: Vec<Warning>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema)]
pub enum PirepState {
    Draft,
    InProgress,
    Paused,
    Submitted,
    Accepted,
    Rejected,
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Awaits {
    Staff,
    Pilot,
}

/// Somebody, by name; the name of an erased person is empty.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonRef {
    pub id: Uuid,
    #[schema(example = "Ada Lovelace")]
    pub display_name: String,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    pub kind: SourceKind,
    pub client: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrackSummary {
    /// How many positions are stored.
    #[schema(example = 2110)]
    pub positions: i64,
    #[schema(example = 2109)]
    pub last_sequence: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub enum Verdict {
    Accepted,
    Rejected,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    pub verdict: Verdict,
    /// Null when a review rule decided.
    pub by: Option<PersonRef>,
    pub reason: Option<String>,
    pub credit: Credit,
}

/// Something that looks wrong and blocks nothing.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    #[schema(example = "/plan/departure")]
    pub pointer: String,
    #[schema(example = "unknown-airport")]
    pub code: String,
    pub detail: String,
}

/// A page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PirepPage {
    pub items: Vec<Pirep>,
    /// Pass it as `cursor` for the next page; null on the last one.
    pub next: Option<String>,
}
