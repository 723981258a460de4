//! `/api/v1/flights`: what the airline flies.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::application::catalogue::ItemFilter;
use crate::http::caller::{Known, Write};
use crate::http::catalogue::flight::{
    ScheduledFlight, ScheduledFlightChanges, ScheduledFlightDetails, ScheduledFlightPage,
};
use crate::http::catalogue::merge_patch::patched;
use crate::http::error::of_query;
use crate::http::extract::{Body, Path, Query};
use crate::http::lists::page;
use crate::http::pireps::input::NoMembers;
use crate::http::problem::Problem;
use crate::http::respond::Entity;
use crate::http::state::HttpState;
use crate::http::visible::Visible;

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new()
        .routes(routes!(list_flights, schedule_flight))
        .routes(routes!(get_flight, change_flight))
        .routes(routes!(archive_flight))
        .routes(routes!(restore_flight))
}

/// Which flights are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Only those whose number, callsign or airports contain this.
    search: Option<String>,
    /// Only those from this airport.
    #[param(example = "LIRF")]
    departure: Option<String>,
    /// Only those to this airport.
    #[param(example = "LLBG")]
    arrival: Option<String>,
    /// Those that are archived instead of those that are not.
    #[serde(default)]
    archived: bool,
    /// How many items at most; 50 unless it says otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next` of the page before, with the same filter.
    cursor: Option<String>,
}

/// List the schedule
#[utoipa::path(get, path = "/flights", operation_id = "listFlights", tag = "catalogue",
    params(ListParams, Visible),
    responses((status = 200, description = "A page of flights, by number", body = ScheduledFlightPage)))]
async fn list_flights(
    State(state): State<HttpState>,
    _visible: Visible,
    Query(params): Query<ListParams>,
) -> Result<Json<ScheduledFlightPage>, Problem> {
    let page = page(params.limit, params.cursor)?;
    let airports = [("departure", params.departure), ("arrival", params.arrival)];
    let airports = airports.into_iter();
    let filter = ItemFilter {
        search: params.search,
        archived: params.archived,
        codes: airports
            .filter_map(|(column, code)| Some((column, code?)))
            .collect(),
    };
    let listed = state.airline().schedule.list(filter, page).await;
    let listed = listed.map_err(of_query)?;
    Ok(Json(ScheduledFlightPage {
        items: listed
            .items
            .into_iter()
            .map(ScheduledFlight::from)
            .collect(),
        next: listed.next,
    }))
}

/// Add a flight to the schedule
#[utoipa::path(post, path = "/flights", operation_id = "scheduleFlight", tag = "catalogue",
    request_body = ScheduledFlightDetails,
    params(Write),
    responses((status = 201, description = "Added", body = ScheduledFlight)))]
async fn schedule_flight(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Body { value, bytes }: Body<ScheduledFlightDetails>,
) -> Result<Entity<ScheduledFlight>, Problem> {
    let schedule = &state.airline().schedule;
    let options = write.options(&bytes);
    let added = schedule.add(&known.identity, value.into(), options).await?;
    let location = format!("/api/v1/flights/{}", added.entity.id);
    Ok(Entity::created(added.map(ScheduledFlight::from)).at(location))
}

/// Read a flight of the schedule
#[utoipa::path(get, path = "/flights/{id}", operation_id = "getFlight", tag = "catalogue",
    params(("id" = Uuid, Path, description = "Id of the flight"), Visible),
    responses((status = 200, description = "The flight", body = ScheduledFlight)))]
async fn get_flight(
    State(state): State<HttpState>,
    _visible: Visible,
    Path(id): Path<Uuid>,
) -> Result<Entity<ScheduledFlight>, Problem> {
    let view = state.airline().schedule.get(id).await?;
    let version = view.version;
    Ok(Entity::read(view.into(), version))
}

/// Change a flight of the schedule
///
/// A merge patch (RFC 7396): absent members stay, null removes.
#[utoipa::path(patch, path = "/flights/{id}", operation_id = "changeFlight", tag = "catalogue",
    request_body = ScheduledFlightChanges,
    params(("id" = Uuid, Path, description = "Id of the flight"),
        ("If-Match" = String, Header, description = "ETag of the version that was seen"), Write),
    responses((status = 200, description = "Changed", body = ScheduledFlight)))]
async fn change_flight(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Path(id): Path<Uuid>,
    Body { value, bytes }: Body<Map<String, Value>>,
) -> Result<Entity<ScheduledFlight>, Problem> {
    let options = write.versioned(&bytes)?;
    let schedule = &state.airline().schedule;
    let seen = schedule.current(id).await?;
    let present = ScheduledFlightDetails::from(seen.entity.details.clone());
    let details = patched(&present, value)?.into();
    let changed = schedule
        .change(&known.identity, seen, details, options)
        .await?;
    Ok(Entity::written(changed.map(ScheduledFlight::from)))
}

/// Archive a flight of the schedule
///
/// It is kept, lists leave it out, and its number is free for another one.
#[utoipa::path(post, path = "/flights/{id}/archive", operation_id = "archiveFlight", tag = "catalogue",
    request_body = NoMembers,
    params(("id" = Uuid, Path, description = "Id of the flight"),
        ("If-Match" = Option<String>, Header, description = "ETag of the version that was seen"), Write),
    responses((status = 200, description = "Archived", body = ScheduledFlight)))]
async fn archive_flight(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Path(id): Path<Uuid>,
    Body { bytes, .. }: Body<NoMembers>,
) -> Result<Entity<ScheduledFlight>, Problem> {
    let schedule = &state.airline().schedule;
    let archived = schedule
        .archive(&known.identity, id, write.options(&bytes))
        .await?;
    Ok(Entity::written(archived.map(ScheduledFlight::from)))
}

/// Restore an archived flight of the schedule
///
/// Unless another one has its number between these airports by now.
#[utoipa::path(post, path = "/flights/{id}/restore", operation_id = "restoreFlight", tag = "catalogue",
    request_body = NoMembers,
    params(("id" = Uuid, Path, description = "Id of the flight"),
        ("If-Match" = Option<String>, Header, description = "ETag of the version that was seen"), Write),
    responses((status = 200, description = "In the schedule again", body = ScheduledFlight)))]
async fn restore_flight(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Path(id): Path<Uuid>,
    Body { bytes, .. }: Body<NoMembers>,
) -> Result<Entity<ScheduledFlight>, Problem> {
    let schedule = &state.airline().schedule;
    let restored = schedule
        .restore(&known.identity, id, write.options(&bytes))
        .await?;
    Ok(Entity::written(restored.map(ScheduledFlight::from)))
}
