//! The bodies that callers send about PIREPs.

use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::pireps::plan::{Plan, Report};

/// What a new PIREP is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Intent {
    /// A form that is being written.
    Draft,
    /// A flight that is about to be flown.
    #[default]
    Prefile,
}

/// The client that reports.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SourceInput)]
pub struct SourceInput {
    pub kind: SourceKind,
    #[serde(default)]
    #[schema(example = "vmsACARS 1.2")]
    pub client: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, Deserialize, ToSchema)]
pub enum SourceKind {
    /// A person filled in a form.
    Manual,
    /// A client recorded the flight.
    Acars,
}

/// A PIREP to be created, or its plan to be changed.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilePirep {
    #[serde(default)]
    pub intent: Intent,
    #[serde(default)]
    pub source: Option<SourceInput>,
    #[serde(default)]
    pub plan: Plan,
    #[serde(default)]
    pub report: Option<Report>,
    #[serde(default)]
    pub remarks: Option<String>,
}

/// The end of a flight.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitPirep {
    #[serde(default)]
    pub report: Option<Report>,
    #[serde(default)]
    pub remarks: Option<String>,
    /// The highest sequence number that the client has sent or will send.
    #[serde(default)]
    #[schema(example = 2109)]
    pub last_sequence: Option<i32>,
}

/// How much of a flight counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Credit {
    Full,
    Hours,
    None,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcceptPirep {
    /// Full unless it says otherwise.
    #[serde(default)]
    pub credit: Option<Credit>,
    #[serde(default)]
    pub comment: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RejectPirep {
    #[schema(example = "Landed at the wrong airport", min_length = 1)]
    pub reason: String,
    /// None unless it says otherwise.
    #[serde(default)]
    pub credit: Option<Credit>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancelPirep {
    /// Required of staff.
    #[serde(default)]
    pub reason: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoMembers {}

/// A batch of positions, stored once however often it is sent.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PositionBatch {
    /// The client's own name for this batch.
    pub batch_id: Uuid,
    #[schema(min_items = 1, max_items = 500)]
    pub positions: Vec<Position>,
}

/// One position of a flight.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Position {
    /// The client's own number, from 0; unique within a flight.
    #[schema(minimum = 0, example = 17)]
    pub sequence: i32,
    pub time: Timestamp,
    /// Degrees north, WGS 84.
    #[schema(minimum = -90, maximum = 90, example = 41.8003)]
    pub lat: f64,
    /// Degrees east, WGS 84.
    #[schema(minimum = -180, maximum = 180, example = 12.2389)]
    pub lon: f64,
    #[serde(default)]
    #[schema(example = 35000)]
    pub altitude_ft: Option<f64>,
    #[serde(default)]
    #[schema(minimum = 0, maximum = 360)]
    pub heading_deg: Option<f64>,
    #[serde(default)]
    #[schema(minimum = 0)]
    pub ground_speed_kt: Option<f64>,
    #[serde(default)]
    #[schema(minimum = 0)]
    pub indicated_airspeed_kt: Option<f64>,
    #[serde(default)]
    pub vertical_speed_fpm: Option<f64>,
    #[serde(default)]
    #[schema(minimum = 0)]
    pub fuel_kg: Option<f64>,
    /// Phase of flight as ACARS clients name it, such as `ENR`.
    #[serde(default)]
    #[schema(example = "ENR", max_length = 8)]
    pub phase: Option<String>,
}
