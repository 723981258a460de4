//! What happens to a flight between prefile and decision.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::application::flight::Flight;
use crate::application::tracks::MAX_BATCH;
use crate::domain::pirep::{Action, PirepCommand};
use crate::http::caller::{Known, Named, Write};
use crate::http::extract::Body;
use crate::http::pireps::act::act;
use crate::http::pireps::entity::Pirep;
use crate::http::pireps::input::{CancelPirep, NoMembers, PositionBatch, SubmitPirep};
use crate::http::pireps::room;
use crate::http::pireps::sample::samples;
use crate::http::problem::Problem;
use crate::http::respond::{Done, Entity};
use crate::http::room::Taken;
use crate::http::state::HttpState;

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new()
        .routes(routes!(send_positions))
        .routes(routes!(submit_pirep))
        .routes(routes!(finish_flight))
        .routes(routes!(pause_flight))
        .routes(routes!(resume_flight))
        .routes(routes!(cancel_pirep))
        .routes(routes!(restore_pirep))
        .routes(routes!(withdraw_pirep))
        .routes(routes!(discard_draft))
}

/// What became of a batch.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchStored {
    /// Positions that were new.
    stored: usize,
    /// Positions that were there already.
    duplicates: usize,
    /// The highest sequence number of the flight.
    last_sequence: Option<i32>,
}

/// Send positions of a flight
///
/// At most 500 in a batch. A batch that is sent twice is stored once. Accepted in every state.
#[utoipa::path(post, path = "/pireps/{id}/positions", operation_id = "sendPositions", tag = "pireps",
    request_body = PositionBatch,
    params(("id" = Uuid, Path, description = "Id of the PIREP")),
    responses((status = 200, description = "Stored", body = BatchStored)))]
async fn send_positions(
    State(state): State<HttpState>,
    known: Known,
    flight: Flight,
    Body { value, .. }: Body<PositionBatch>,
) -> Result<Json<BatchStored>, Problem> {
    let samples = samples(value.positions, "/positions", MAX_BATCH)?;
    let tracks = &state.airline().tracks;
    let stored = tracks
        .store(&known.identity, flight, value.batch_id, samples)
        .await?;
    Ok(Json(BatchStored {
        stored: stored.stored,
        duplicates: stored.duplicates,
        last_sequence: stored.last_sequence,
    }))
}

/// Submit a PIREP for review
#[utoipa::path(post, path = "/pireps/{id}/submit", operation_id = "submitPirep", tag = "pireps",
    request_body = SubmitPirep,
    params(("id" = Uuid, Path, description = "Id of the PIREP"),
        Named),
    responses((status = 200, description = "Submitted", body = Pirep)))]
async fn submit_pirep(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    flight: Flight,
    Body { value, bytes }: Body<SubmitPirep>,
) -> Result<Entity<Pirep>, Problem> {
    let options = write.named(&bytes)?;
    let pireps = &state.airline().pireps;
    let flight = pireps.read(flight).await?;
    let _room = room_to_end(&state, &known, &flight, Action::Submit).await?;
    let written = pireps
        .submit(&known.identity, flight, value.into(), options)
        .await?;
    Ok(Entity::written(written.map(Pirep::from)))
}

/// Finish a flight from its track
///
/// For a flight whose contact is `silent`, by its pilot or staff: it is submitted with the times, the distance and the fuel
/// that its positions tell.
#[utoipa::path(post, path = "/pireps/{id}/finish", operation_id = "finishFlight", tag = "pireps",
    request_body = NoMembers,
    params(("id" = Uuid, Path, description = "Id of the PIREP"), Write),
    responses((status = 200, description = "Submitted", body = Pirep)))]
async fn finish_flight(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    flight: Flight,
    Body { bytes, .. }: Body<NoMembers>,
) -> Result<Entity<Pirep>, Problem> {
    let options = write.options(&bytes);
    let pireps = &state.airline().pireps;
    let flight = pireps.read(flight).await?;
    let _room = room_to_end(&state, &known, &flight, Action::Finish).await?;
    let written = pireps.finish(&known.identity, flight, options).await?;
    Ok(Entity::written(written.map(Pirep::from)))
}

/// Room for the track that the end of a flight is read off; none for whoever is refused.
async fn room_to_end(
    state: &HttpState,
    known: &Known,
    flight: &Flight,
    action: Action,
) -> Result<Option<Taken>, Problem> {
    let airline = state.airline();
    if !airline.pireps.ends(&known.identity, flight, action).await? {
        return Ok(None);
    }
    let extent = airline.tracks.extent(flight.id).await?;
    Ok(Some(room::take_to_end(airline, extent).await?))
}

/// Pause a flight
#[utoipa::path(post, path = "/pireps/{id}/pause", operation_id = "pauseFlight", tag = "pireps",
    request_body = NoMembers,
    params(("id" = Uuid, Path, description = "Id of the PIREP"), Write),
    responses((status = 200, description = "Paused", body = Pirep)))]
async fn pause_flight(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    flight: Flight,
    Body { bytes, .. }: Body<NoMembers>,
) -> Result<Entity<Pirep>, Problem> {
    let options = write.options(&bytes);
    act(&state, &known, flight, PirepCommand::Pause, options).await
}

/// Resume a paused flight
#[utoipa::path(post, path = "/pireps/{id}/resume", operation_id = "resumeFlight", tag = "pireps",
    request_body = NoMembers,
    params(("id" = Uuid, Path, description = "Id of the PIREP"), Write),
    responses((status = 200, description = "In progress again", body = Pirep)))]
async fn resume_flight(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    flight: Flight,
    Body { bytes, .. }: Body<NoMembers>,
) -> Result<Entity<Pirep>, Problem> {
    let options = write.options(&bytes);
    act(&state, &known, flight, PirepCommand::Resume, options).await
}

/// Cancel a PIREP
///
/// It is kept, does not count and can be restored.
#[utoipa::path(post, path = "/pireps/{id}/cancel", operation_id = "cancelPirep", tag = "pireps",
    request_body = CancelPirep,
    params(("id" = Uuid, Path, description = "Id of the PIREP"), Write),
    responses((status = 200, description = "Cancelled", body = Pirep)))]
async fn cancel_pirep(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    flight: Flight,
    Body { value, bytes }: Body<CancelPirep>,
) -> Result<Entity<Pirep>, Problem> {
    let options = write.options(&bytes);
    let command = PirepCommand::Cancel {
        reason: value.reason,
    };
    act(&state, &known, flight, command, options).await
}

/// Restore a cancelled PIREP
///
/// It returns to the state that it was cancelled in.
#[utoipa::path(post, path = "/pireps/{id}/restore", operation_id = "restorePirep", tag = "pireps",
    request_body = NoMembers,
    params(("id" = Uuid, Path, description = "Id of the PIREP"), Write),
    responses((status = 200, description = "Restored", body = Pirep)))]
async fn restore_pirep(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    flight: Flight,
    Body { bytes, .. }: Body<NoMembers>,
) -> Result<Entity<Pirep>, Problem> {
    let options = write.options(&bytes);
    act(&state, &known, flight, PirepCommand::Restore, options).await
}

/// Withdraw a submitted PIREP
///
/// It is a draft again, to be corrected and submitted anew. Only what was typed in, not what a program measured.
#[utoipa::path(post, path = "/pireps/{id}/withdraw", operation_id = "withdrawPirep", tag = "pireps",
    request_body = NoMembers,
    params(("id" = Uuid, Path, description = "Id of the PIREP"), Write),
    responses((status = 200, description = "A draft again", body = Pirep)))]
async fn withdraw_pirep(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    flight: Flight,
    Body { bytes, .. }: Body<NoMembers>,
) -> Result<Entity<Pirep>, Problem> {
    let options = write.options(&bytes);
    act(&state, &known, flight, PirepCommand::Withdraw, options).await
}

/// Discard a draft
///
/// Only one that was never submitted and has no track. Nobody is shown it any more, and its id is not free again.
#[utoipa::path(delete, path = "/pireps/{id}", operation_id = "discardDraft", tag = "pireps",
    params(("id" = Uuid, Path, description = "Id of the PIREP"), Write),
    responses((status = 204, description = "Discarded")))]
async fn discard_draft(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    flight: Flight,
) -> Result<Done, Problem> {
    let pireps = &state.airline().pireps;
    let discarded = pireps
        .act(
            &known.identity,
            flight,
            PirepCommand::Discard,
            write.options(b""),
        )
        .await?;
    Ok(Done {
        position: Some(discarded.position),
    })
}
