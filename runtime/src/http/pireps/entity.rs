//! A PIREP as it is answered.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::application::contact;
use crate::application::views::{self, PirepView};
use crate::domain::ids::UserId;
use crate::domain::personal::Personal;
use crate::domain::pirep as domain;
use crate::domain::pirep::{Awaits, Credit, PirepState, SourceKind, Verdict};
use crate::domain::review::{self, Answer};
use crate::http::pireps::plan::{Plan, Report};
use crate::http::rules::dto::Finding;

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pirep {
    pub id: Uuid,
    #[schema(example = 3)]
    pub version: i32,
    pub state: PirepState,
    /// Set while it is `Submitted`.
    pub awaits: Option<Awaits>,
    /// What staff asked, until it is answered.
    pub question: Option<String>,
    pub pilot: PersonRef,
    pub source: Source,
    pub plan: Plan,
    pub report: Report,
    pub remarks: Option<String>,
    /// What the airline's own fields hold, by their keys.
    pub custom_fields: BTreeMap<String, String>,
    /// The booking that it flies.
    pub bid: Option<Uuid>,
    /// The flight of the schedule that it flies.
    pub scheduled_flight: Option<Uuid>,
    pub track: TrackSummary,
    /// Null unless it is `InProgress` and a position of it has come.
    pub contact: Option<Contact>,
    /// When the server received its last position.
    pub last_contact_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub submitted_at: Option<Timestamp>,
    pub decided_at: Option<Timestamp>,
    pub decision: Option<Decision>,
    pub review: Option<Review>,
    pub warnings: Vec<Warning>,
}

/// Somebody, by name.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonRef {
    pub id: Uuid,
    /// Null once the person was erased.
    #[schema(example = "Ada Lovelace")]
    pub display_name: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    pub kind: SourceKind,
    /// The program that measured it, with its version.
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

/// How a flight that is under way is heard of.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Contact {
    Current,
    /// No position for ten minutes.
    Lost,
    /// No position for twelve hours: pilot and staff may finish it from its track.
    Silent,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    pub verdict: Verdict,
    /// Null when a review rule decided.
    pub by: Option<PersonRef>,
    /// The reason of a rejection, the comment of an acceptance.
    pub reason: Option<String>,
    pub credit: Credit,
}

/// What the airline's rules made of it when it was submitted last.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    #[schema(example = 3)]
    pub rules_version: i32,
    /// The worst of all answers.
    pub answer: Answer,
    pub findings: Vec<Finding>,
}

/// Something remarkable that blocks nothing, such as a diversion.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// JSON pointer into the PIREP.
    #[schema(example = "/report/actualArrival")]
    pub pointer: String,
    #[schema(example = "diversion")]
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

impl From<PirepView> for Pirep {
    fn from(view: PirepView) -> Self {
        let pirep = view.pirep;
        let person = |id: UserId, name| PersonRef {
            id: id.0,
            display_name: name,
        };
        let fields = pirep.custom_fields.and_then(Personal::into_known);
        let decided_at = pirep.decision.as_ref().map(|decision| decision.at);
        let decider = view.decider_name;
        let decision = pirep.decision.map(|decision| Decision {
            verdict: decision.verdict,
            by: decision.by.map(|id| person(id, decider)),
            reason: decision.reason.and_then(Personal::into_known),
            credit: decision.credit,
        });
        Self {
            id: view.id.0,
            version: view.version,
            state: pirep.state,
            awaits: pirep
                .awaits
                .filter(|_| pirep.state == PirepState::Submitted),
            question: pirep.question.and_then(Personal::into_known),
            pilot: person(pirep.pilot, view.pilot_name),
            source: Source {
                kind: pirep.source.kind,
                client: pirep.source.client,
            },
            plan: pirep.plan.into(),
            report: pirep.report.into(),
            remarks: pirep.remarks.and_then(Personal::into_known),
            custom_fields: fields.unwrap_or_default(),
            bid: pirep.bid.map(Uuid::from),
            scheduled_flight: pirep.scheduled_flight.map(Uuid::from),
            track: TrackSummary {
                positions: view.track.count,
                last_sequence: view.track.last_sequence,
            },
            contact: view.contact.map(Contact::from),
            last_contact_at: view.track.last_received_at,
            created_at: pirep.created_at,
            submitted_at: pirep.submitted_at,
            decided_at,
            decision,
            review: pirep.review.map(review),
            warnings: view.warnings.into_iter().map(warning).collect(),
        }
    }
}

impl From<contact::Contact> for Contact {
    fn from(contact: contact::Contact) -> Self {
        match contact {
            contact::Contact::Current => Self::Current,
            contact::Contact::Lost => Self::Lost,
            contact::Contact::Silent => Self::Silent,
        }
    }
}

fn review(review: review::Review) -> Review {
    Review {
        rules_version: review.rules_version,
        answer: review.answer,
        findings: review.findings.into_iter().map(Finding::from).collect(),
    }
}

fn warning(warning: views::Warning) -> Warning {
    Warning {
        pointer: warning.pointer.into_owned(),
        code: warning.code.to_owned(),
        detail: warning.detail,
    }
}

impl From<domain::Plan> for Plan {
    fn from(plan: domain::Plan) -> Self {
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

impl From<domain::Report> for Report {
    fn from(report: domain::Report) -> Self {
        Self {
            off_block_at: report.off_block_at,
            take_off_at: report.take_off_at,
            landing_at: report.landing_at,
            on_block_at: report.on_block_at,
            actual_arrival: report.actual_arrival,
            block_time_min: report.block_time_min,
            flight_time_min: report.flight_time_min,
            distance_nmi: report
                .distance_centi_nmi
                .map(|hundredths| f64::from(hundredths) / 100.0),
            fuel_used_kg: report.fuel_used_kg,
            zero_fuel_weight_kg: report.zero_fuel_weight_kg,
            landing_rate_fpm: report.landing_rate_fpm,
            g_force: report
                .g_force_milli
                .map(|thousandths| f64::from(thousandths) / 1000.0),
        }
    }
}
