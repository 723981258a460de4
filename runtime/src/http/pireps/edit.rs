//! Changing what a PIREP says.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::application::flight::Flight;
use crate::domain::personal::Personal;
use crate::domain::pirep as domain;
use crate::domain::pirep::{Changes, PirepCommand};
use crate::http::caller::{Known, Write};
use crate::http::catalogue::merge_patch::patched;
use crate::http::extract::Body;
use crate::http::pireps::act::act;
use crate::http::pireps::entity::Pirep;
use crate::http::pireps::plan::{Plan, Report};
use crate::http::problem::Problem;
use crate::http::respond::Entity;
use crate::http::state::HttpState;

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new().routes(routes!(edit_pirep))
}

/// What a patch is merged into.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Content {
    plan: Plan,
    report: Report,
    remarks: Option<String>,
    custom_fields: BTreeMap<String, String>,
    reason: Option<String>,
}

/// What is to change of a PIREP (RFC 7396).
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a body that is merged as JSON")]
pub struct PirepChanges {
    plan: Option<Plan>,
    /// Measured values are changed by staff only.
    report: Option<Report>,
    #[schema(max_length = 4000)]
    remarks: Option<String>,
    custom_fields: Option<BTreeMap<String, Option<String>>>,
    /// Required of staff.
    #[schema(max_length = 2000)]
    reason: Option<String>,
}

impl From<&domain::Pirep> for Content {
    fn from(pirep: &domain::Pirep) -> Self {
        let remarks = pirep.remarks.as_ref().and_then(Personal::text);
        let fields = pirep.custom_fields.as_ref().and_then(Personal::known);
        Self {
            plan: pirep.plan.clone().into(),
            report: pirep.report.clone().into(),
            remarks: remarks.map(str::to_owned),
            custom_fields: fields.cloned().unwrap_or_default(),
            reason: None,
        }
    }
}

impl From<Content> for Changes {
    fn from(content: Content) -> Self {
        Self {
            plan: Some(content.plan.into()),
            report: Some(content.report.into()),
            remarks: Some(content.remarks.unwrap_or_default()),
            custom_fields: Some(content.custom_fields),
            reason: content.reason,
            sent_whole: false,
        }
    }
}

/// Change a PIREP
///
/// A merge patch (RFC 7396): absent members stay, null removes. Its owner changes plan and remarks until it is decided
/// or while it is rejected, and what was typed in; staff change anything in any state, and say why.
#[utoipa::path(patch, path = "/pireps/{id}", operation_id = "editPirep", tag = "pireps",
    request_body = PirepChanges,
    params(("id" = Uuid, Path, description = "Id of the PIREP"),
        ("If-Match" = String, Header, description = "ETag of the version that was seen"),
        Write),
    responses((status = 200, description = "Changed", body = Pirep)))]
async fn edit_pirep(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    flight: Flight,
    Body { value, bytes }: Body<Map<String, Value>>,
) -> Result<Entity<Pirep>, Problem> {
    let options = write.versioned(&bytes)?;
    let flight = state.airline().pireps.read(flight).await?;
    let present = flight.pirep().ok_or_else(Problem::not_found)?;
    let content: Content = patched(&Content::from(present), value)?;
    let command = PirepCommand::Edit(content.into());
    act(&state, &known, flight, command, options).await
}
