//! The bodies that callers send about PIREPs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::application::pireps as service;
use crate::domain::pirep as domain;
use crate::domain::pirep::{Credit, SourceKind};
use crate::http::pireps::log::LogLineInput;
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

/// How the report comes into being. Left out: measured, when a key files it; else typed in.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceInput {
    pub kind: SourceKind,
    /// The program that measures it, with its version.
    #[serde(default)]
    #[schema(example = "vmsACARS 1.2")]
    pub client: Option<String>,
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
    /// What the airline's own fields hold, by their keys. One that it does not declare is kept, with a warning.
    #[serde(default)]
    pub custom_fields: Option<BTreeMap<String, String>>,
    /// The caller's booking that it flies, which ends when this is submitted or cancelled. One that is not open is
    /// kept, with a warning.
    #[serde(default)]
    pub bid: Option<Uuid>,
    /// The flight of the schedule that it flies; that of the bid, if it names one.
    #[serde(default)]
    pub scheduled_flight: Option<Uuid>,
    /// The positions of a flight that was flown out of reach. Those whose number was sent before are not stored again.
    #[serde(default)]
    #[schema(max_items = 25200)]
    pub track: Vec<Position>,
    /// The lines of its log, or the first of them: more are sent to `log` of the PIREP. Those whose number was sent before are
    /// not stored again.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub log: Vec<LogLineInput>,
}

/// The end of a flight.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitPirep {
    #[serde(default)]
    pub report: Option<Report>,
    #[serde(default)]
    pub remarks: Option<String>,
    /// Added to those that are there.
    #[serde(default)]
    pub custom_fields: Option<BTreeMap<String, String>>,
    /// The highest sequence number that the client has sent or will send.
    #[serde(default)]
    #[schema(example = 2109)]
    pub last_sequence: Option<i32>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcceptPirep {
    /// Full unless it says otherwise.
    #[serde(default)]
    pub credit: Option<Credit>,
    /// Required of what was rejected.
    #[serde(default)]
    #[schema(max_length = 2000)]
    pub comment: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RejectPirep {
    #[schema(
        example = "Landed at the wrong airport",
        min_length = 1,
        max_length = 2000
    )]
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
    #[schema(max_length = 2000)]
    pub reason: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReopenPirep {
    #[schema(
        example = "The track has arrived since",
        min_length = 1,
        max_length = 2000
    )]
    pub reason: String,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AskPirep {
    #[schema(example = "Why did you divert?", min_length = 1, max_length = 2000)]
    pub question: String,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnswerPirep {
    #[schema(example = "The field was closed", min_length = 1, max_length = 2000)]
    pub answer: String,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppealPirep {
    #[schema(
        example = "Please look at the track again",
        min_length = 1,
        max_length = 2000
    )]
    pub comment: String,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommentPirep {
    #[schema(example = "Well flown in that wind", min_length = 1, max_length = 2000)]
    pub comment: String,
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
    /// The client's own number, from 0 or from 1 and without gaps; unique within a flight.
    #[schema(minimum = 0, maximum = 86399, example = 17)]
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

impl FilePirep {
    /// Sent by a key, it was measured unless it says otherwise.
    pub fn into_service(self, by_key: bool) -> service::FilePirep {
        let source = match self.source {
            Some(source) => domain::Source {
                kind: source.kind,
                client: source.client,
            },
            None => domain::Source {
                kind: if by_key {
                    SourceKind::Acars
                } else {
                    SourceKind::Manual
                },
                client: None,
            },
        };
        service::FilePirep {
            intent: match self.intent {
                Intent::Draft => domain::Intent::Draft,
                Intent::Prefile => domain::Intent::Prefile,
            },
            source,
            plan: self.plan.into(),
            report: self.report.map(Into::into),
            remarks: self.remarks,
            custom_fields: self.custom_fields,
            bid: self.bid.map(Into::into),
            scheduled_flight: self.scheduled_flight.map(Into::into),
        }
    }
}

impl From<SubmitPirep> for service::Submit {
    fn from(body: SubmitPirep) -> Self {
        Self {
            report: body.report.map(Into::into),
            remarks: body.remarks,
            custom_fields: body.custom_fields,
            last_sequence: body.last_sequence,
        }
    }
}

impl From<AcceptPirep> for service::Accept {
    fn from(body: AcceptPirep) -> Self {
        Self {
            credit: body.credit.unwrap_or(Credit::Full),
            comment: body.comment,
        }
    }
}

impl From<RejectPirep> for service::Reject {
    fn from(body: RejectPirep) -> Self {
        Self {
            reason: body.reason,
            credit: body.credit.unwrap_or(Credit::None),
        }
    }
}

impl From<Plan> for domain::Plan {
    fn from(plan: Plan) -> Self {
        Self {
            flight_number: plan.flight_number,
            callsign: plan.callsign,
            departure: plan.departure,
            arrival: plan.arrival,
            alternate: plan.alternate,
            aircraft_type: plan.aircraft_type,
            registration: plan.registration,
            network: plan.network,
            route: plan.route,
            planned_off_block_at: plan.planned_off_block_at,
            planned_on_block_at: plan.planned_on_block_at,
            cruise_level_ft: plan.cruise_level_ft,
            fuel_planned_kg: plan.fuel_planned_kg,
            passengers: plan.passengers,
            cargo_kg: plan.cargo_kg,
        }
    }
}

impl From<Report> for domain::Report {
    fn from(report: Report) -> Self {
        Self {
            off_block_at: report.off_block_at,
            take_off_at: report.take_off_at,
            landing_at: report.landing_at,
            on_block_at: report.on_block_at,
            actual_arrival: report.actual_arrival,
            block_time_min: report.block_time_min,
            flight_time_min: report.flight_time_min,
            distance_centi_nmi: report.distance_nmi.map(|miles| scaled(miles, 100.0)),
            fuel_used_kg: report.fuel_used_kg,
            zero_fuel_weight_kg: report.zero_fuel_weight_kg,
            landing_rate_fpm: report.landing_rate_fpm,
            g_force_milli: report.g_force.map(|g| scaled(g, 1000.0)),
        }
    }
}

/// Beyond any integer it saturates, and the domain's bounds refuse it.
fn scaled(value: f64, scale: f64) -> i32 {
    (value * scale).round() as i32
}
