//! The verdict of staff, based on a version that they name.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::application::error::ServiceError;
use crate::application::flight::Flight;
use crate::application::views::PirepView;
use crate::application::write::Written;
use crate::domain::ids::PirepId;
use crate::domain::pirep::PirepCommand;
use crate::http::caller::{Known, Write};
use crate::http::extract::Body;
use crate::http::pireps::entity::Pirep;
use crate::http::pireps::input::{AcceptPirep, RejectPirep, ReopenPirep};
use crate::http::problem::Problem;
use crate::http::respond::Entity;
use crate::http::state::HttpState;

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new()
        .routes(routes!(accept_pirep))
        .routes(routes!(reject_pirep))
        .routes(routes!(reopen_pirep))
}

/// Accept a PIREP
///
/// A stale version is answered 412 with the decision that stands.
#[utoipa::path(post, path = "/pireps/{id}/accept", operation_id = "acceptPirep", tag = "review",
    request_body = AcceptPirep,
    params(("id" = Uuid, Path, description = "Id of the PIREP"),
        ("If-Match" = String, Header, description = "ETag of the version that was seen"),
        Write),
    responses((status = 200, description = "Accepted", body = Pirep)))]
async fn accept_pirep(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    flight: Flight,
    Body { value, bytes }: Body<AcceptPirep>,
) -> Result<Entity<Pirep>, Problem> {
    let (id, options) = (flight.id, write.versioned(&bytes)?);
    let pireps = &state.airline().pireps;
    let accepted = pireps
        .accept(&known.identity, flight, value.into(), options)
        .await;
    answer(&state, &known, id, accepted).await
}

/// Reject a PIREP
///
/// A stale version is answered 412 with the decision that stands.
#[utoipa::path(post, path = "/pireps/{id}/reject", operation_id = "rejectPirep", tag = "review",
    request_body = RejectPirep,
    params(("id" = Uuid, Path, description = "Id of the PIREP"),
        ("If-Match" = String, Header, description = "ETag of the version that was seen"),
        Write),
    responses((status = 200, description = "Rejected", body = Pirep)))]
async fn reject_pirep(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    flight: Flight,
    Body { value, bytes }: Body<RejectPirep>,
) -> Result<Entity<Pirep>, Problem> {
    let (id, options) = (flight.id, write.versioned(&bytes)?);
    let pireps = &state.airline().pireps;
    let rejected = pireps
        .reject(&known.identity, flight, value.into(), options)
        .await;
    answer(&state, &known, id, rejected).await
}

/// Reopen a decided PIREP
///
/// It is submitted again, and does not count until it is accepted anew. A stale version is answered 412 with the
/// decision that stands.
#[utoipa::path(post, path = "/pireps/{id}/reopen", operation_id = "reopenPirep", tag = "review",
    request_body = ReopenPirep,
    params(("id" = Uuid, Path, description = "Id of the PIREP"),
        ("If-Match" = String, Header, description = "ETag of the version that was seen"),
        Write),
    responses((status = 200, description = "Submitted again", body = Pirep)))]
async fn reopen_pirep(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    flight: Flight,
    Body { value, bytes }: Body<ReopenPirep>,
) -> Result<Entity<Pirep>, Problem> {
    let (id, options) = (flight.id, write.versioned(&bytes)?);
    let command = PirepCommand::Reopen {
        reason: value.reason,
    };
    let pireps = &state.airline().pireps;
    let reopened = pireps.act(&known.identity, flight, command, options).await;
    answer(&state, &known, id, reopened).await
}

/// The second of two reviewers is told what the first one decided.
async fn answer(
    state: &HttpState,
    known: &Known,
    id: PirepId,
    decided: Result<Written<PirepView>, ServiceError>,
) -> Result<Entity<Pirep>, Problem> {
    match decided {
        Ok(written) => Ok(Entity::written(written.map(Pirep::from))),
        Err(error @ ServiceError::Stale { .. }) => {
            let pireps = &state.airline().pireps;
            let current = pireps.current(&known.identity, id).await?;
            let decision = Pirep::from(current).decision;
            let decision = decision.and_then(|decision| serde_json::to_value(decision).ok());
            Err(Problem::from(error).decision(decision))
        }
        Err(error) => Err(error.into()),
    }
}
