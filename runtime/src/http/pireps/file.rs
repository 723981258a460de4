//! Creating a PIREP, under an id of the client's or of ours.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Version;

use crate::application::error::ServiceError;
use crate::application::flight::Flight;
use crate::http::caller::{Known, Named, Write};
use crate::http::extract::Body;
use crate::http::pireps::entity::Pirep;
use crate::http::pireps::input::FilePirep;
use crate::http::pireps::whole::Telemetry;
use crate::http::problem::Problem;
use crate::http::respond::Entity;
use crate::http::state::HttpState;

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new()
        .routes(routes!(file_pirep))
        .routes(routes!(put_pirep))
}

/// File a PIREP
///
/// A draft, or the prefile of a flight that is about to be flown. Its body may be as large, and take as long to come, as that
/// of `PUT /pireps/{id}`.
#[utoipa::path(post, path = "/pireps", operation_id = "filePirep", tag = "pireps",
    request_body = FilePirep,
    params(Named),
    responses((status = 201, description = "Filed", body = Pirep)))]
async fn file_pirep(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Body { mut value, bytes }: Body<FilePirep>,
) -> Result<Entity<Pirep>, Problem> {
    let options = write.named(&bytes)?;
    drop(bytes);
    let telemetry = Telemetry::of(&mut value, &known.identity)?;
    let new = value.into_service(known.identity.scopes().is_some());
    let pireps = &state.airline().pireps;
    let written = pireps.create(&known.identity, new, options).await?;
    let written = telemetry.store(&state, &known.identity, written).await?;
    let written = written.map(Pirep::from);
    let location = format!("/api/v1/pireps/{}", written.entity.id);
    Ok(Entity::created(written).at(location))
}

/// File or update a PIREP under an id of your own
///
/// The first call creates it, and is answered 201 again when it is repeated under its Idempotency-Key; another call with the
/// same body changes nothing, also what staff have corrected since; another body changes plan, report and remarks while the
/// owner may. A flight that was cancelled meanwhile takes what its program measured, and stays cancelled.
///
/// A flight that was flown out of reach is uploaded whole: plan and report with its track and log. What of these was sent
/// before is not stored again, so that it may be sent again as often as it takes. Where the flight takes no other plan and report
/// any more, after its verdict for instance, the answer is 409, and track and log are stored all the same.
///
/// A body has up to 8 MiB. One of more than 1 MiB may take ten minutes to come, as long as any 30 seconds bring 64 KiB of
/// it: else the answer is 408. While others take all the room for such bodies it is 503.
#[utoipa::path(put, path = "/pireps/{id}", operation_id = "putPirep", tag = "pireps",
    request_body = FilePirep,
    params(("id" = Uuid, Path, description = "A UUID of the client's choice"), Write),
    responses(
        (status = 200, description = "It was there already", body = Pirep),
        (status = 201, description = "Filed", body = Pirep)))]
async fn put_pirep(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    flight: Flight,
    Body { mut value, bytes }: Body<FilePirep>,
) -> Result<Entity<Pirep>, Problem> {
    // Ids that follow from others are ours: whoever takes one keeps its owner from what it stands for.
    if flight.pirep().is_none() && flight.id.0.get_version() == Some(Version::Sha1) {
        let detail =
            "An id of UUID version 5 follows from another: choose a random one, of version 4 or 7.";
        return Err(ServiceError::invalid("/id", "derived", detail).into());
    }
    let options = write.options(&bytes);
    drop(bytes);
    let telemetry = Telemetry::of(&mut value, &known.identity)?;
    let new = value.into_service(known.identity.scopes().is_some());
    let pireps = &state.airline().pireps;
    let id = flight.id;
    let written = match pireps.put(&known.identity, flight, new, options).await {
        Ok(written) => telemetry.store(&state, &known.identity, written).await?,
        Err(refused) => {
            let refused = telemetry.store_beside(&state, &known.identity, id, refused);
            return Err(refused.await.into());
        }
    };
    let written = written.map(Pirep::from);
    let location = format!("/api/v1/pireps/{}", written.entity.id);
    Ok(Entity::written(written).at(location))
}
