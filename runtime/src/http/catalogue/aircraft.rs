//! `/api/v1/aircraft`: what the airline flies with.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::application::catalogue::ItemFilter;
use crate::application::views::ItemView;
use crate::domain::catalogue as domain;
use crate::http::caller::{Known, Write};
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
        .routes(routes!(list_aircraft, add_aircraft))
        .routes(routes!(get_aircraft, change_aircraft))
        .routes(routes!(archive_aircraft))
        .routes(routes!(restore_aircraft))
}

/// An aircraft of the airline's.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Aircraft {
    pub id: Uuid,
    #[schema(example = 1)]
    pub version: i32,
    #[schema(example = "4X-ELC")]
    pub registration: String,
    /// ICAO type designator.
    #[schema(example = "B744")]
    pub aircraft_type: String,
    pub name: Option<String>,
    pub added_at: Timestamp,
    /// Null while it is in use.
    pub archived_at: Option<Timestamp>,
}

/// What is said of an aircraft.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AircraftDetails {
    /// No two aircraft have the same, but for those that are archived.
    #[schema(example = "4X-ELC", min_length = 1, max_length = 16)]
    pub registration: String,
    /// ICAO type designator.
    #[schema(example = "B744", min_length = 1, max_length = 8)]
    pub aircraft_type: String,
    /// What people call it.
    #[serde(default)]
    #[schema(max_length = 100)]
    pub name: Option<String>,
}

/// What is to change of an aircraft (RFC 7396).
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a body that is merged as JSON")]
pub struct AircraftChanges {
    #[schema(min_length = 1, max_length = 16)]
    registration: Option<String>,
    #[schema(min_length = 1, max_length = 8)]
    aircraft_type: Option<String>,
    #[schema(max_length = 100)]
    name: Option<String>,
}

/// A page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AircraftPage {
    pub items: Vec<Aircraft>,
    /// Pass it as `cursor` for the next page; null on the last one.
    pub next: Option<String>,
}

impl From<ItemView<domain::Aircraft>> for Aircraft {
    fn from(view: ItemView<domain::Aircraft>) -> Self {
        let details = view.entity.details;
        Self {
            id: view.id,
            version: view.version,
            registration: details.registration,
            aircraft_type: details.aircraft_type,
            name: details.name,
            added_at: view.entity.added_at,
            archived_at: view.entity.archived_at,
        }
    }
}

impl From<domain::Aircraft> for AircraftDetails {
    fn from(details: domain::Aircraft) -> Self {
        Self {
            registration: details.registration,
            aircraft_type: details.aircraft_type,
            name: details.name,
        }
    }
}

impl From<AircraftDetails> for domain::Aircraft {
    fn from(details: AircraftDetails) -> Self {
        Self {
            registration: details.registration,
            aircraft_type: details.aircraft_type,
            name: details.name,
        }
    }
}

/// Which aircraft are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Only those whose registration, type or name contains this.
    search: Option<String>,
    /// Only those of this type.
    #[param(example = "B744")]
    aircraft_type: Option<String>,
    /// Those that are archived instead of those that are not.
    #[serde(default)]
    archived: bool,
    /// How many items at most; 50 unless it says otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next` of the page before, with the same filter.
    cursor: Option<String>,
}

/// List aircraft
#[utoipa::path(get, path = "/aircraft", operation_id = "listAircraft", tag = "catalogue",
    params(ListParams, Visible),
    responses((status = 200, description = "A page of aircraft, by registration", body = AircraftPage)))]
async fn list_aircraft(
    State(state): State<HttpState>,
    _visible: Visible,
    Query(params): Query<ListParams>,
) -> Result<Json<AircraftPage>, Problem> {
    let page = page(params.limit, params.cursor)?;
    let kind = params.aircraft_type.map(|code| ("aircraft_type", code));
    let filter = ItemFilter {
        search: params.search,
        archived: params.archived,
        codes: kind.into_iter().collect(),
    };
    let listed = state.airline().aircraft.list(filter, page).await;
    let listed = listed.map_err(of_query)?;
    Ok(Json(AircraftPage {
        items: listed.items.into_iter().map(Aircraft::from).collect(),
        next: listed.next,
    }))
}

/// Add an aircraft
#[utoipa::path(post, path = "/aircraft", operation_id = "addAircraft", tag = "catalogue",
    request_body = AircraftDetails,
    params(Write),
    responses((status = 201, description = "Added", body = Aircraft)))]
async fn add_aircraft(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Body { value, bytes }: Body<AircraftDetails>,
) -> Result<Entity<Aircraft>, Problem> {
    let aircraft = &state.airline().aircraft;
    let options = write.options(&bytes);
    let added = aircraft.add(&known.identity, value.into(), options).await?;
    let location = format!("/api/v1/aircraft/{}", added.entity.id);
    Ok(Entity::created(added.map(Aircraft::from)).at(location))
}

/// Read an aircraft
#[utoipa::path(get, path = "/aircraft/{id}", operation_id = "getAircraft", tag = "catalogue",
    params(("id" = Uuid, Path, description = "Id of the aircraft"), Visible),
    responses((status = 200, description = "The aircraft", body = Aircraft)))]
async fn get_aircraft(
    State(state): State<HttpState>,
    _visible: Visible,
    Path(id): Path<Uuid>,
) -> Result<Entity<Aircraft>, Problem> {
    let view = state.airline().aircraft.get(id).await?;
    let version = view.version;
    Ok(Entity::read(view.into(), version))
}

/// Change an aircraft
///
/// A merge patch (RFC 7396): absent members stay, null removes.
#[utoipa::path(patch, path = "/aircraft/{id}", operation_id = "changeAircraft", tag = "catalogue",
    request_body = AircraftChanges,
    params(("id" = Uuid, Path, description = "Id of the aircraft"),
        ("If-Match" = String, Header, description = "ETag of the version that was seen"), Write),
    responses((status = 200, description = "Changed", body = Aircraft)))]
async fn change_aircraft(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Path(id): Path<Uuid>,
    Body { value, bytes }: Body<Map<String, Value>>,
) -> Result<Entity<Aircraft>, Problem> {
    let options = write.versioned(&bytes)?;
    let aircraft = &state.airline().aircraft;
    let seen = aircraft.current(id).await?;
    let present = AircraftDetails::from(seen.entity.details.clone());
    let details = patched(&present, value)?.into();
    let changed = aircraft
        .change(&known.identity, seen, details, options)
        .await?;
    Ok(Entity::written(changed.map(Aircraft::from)))
}

/// Archive an aircraft
///
/// It is kept, lists leave it out, and its registration is free for another one.
#[utoipa::path(post, path = "/aircraft/{id}/archive", operation_id = "archiveAircraft", tag = "catalogue",
    request_body = NoMembers,
    params(("id" = Uuid, Path, description = "Id of the aircraft"),
        ("If-Match" = Option<String>, Header, description = "ETag of the version that was seen"), Write),
    responses((status = 200, description = "Archived", body = Aircraft)))]
async fn archive_aircraft(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Path(id): Path<Uuid>,
    Body { bytes, .. }: Body<NoMembers>,
) -> Result<Entity<Aircraft>, Problem> {
    let aircraft = &state.airline().aircraft;
    let archived = aircraft
        .archive(&known.identity, id, write.options(&bytes))
        .await?;
    Ok(Entity::written(archived.map(Aircraft::from)))
}

/// Restore an archived aircraft
///
/// Unless another one has its registration by now.
#[utoipa::path(post, path = "/aircraft/{id}/restore", operation_id = "restoreAircraft", tag = "catalogue",
    request_body = NoMembers,
    params(("id" = Uuid, Path, description = "Id of the aircraft"),
        ("If-Match" = Option<String>, Header, description = "ETag of the version that was seen"), Write),
    responses((status = 200, description = "In use again", body = Aircraft)))]
async fn restore_aircraft(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Path(id): Path<Uuid>,
    Body { bytes, .. }: Body<NoMembers>,
) -> Result<Entity<Aircraft>, Problem> {
    let aircraft = &state.airline().aircraft;
    let restored = aircraft
        .restore(&known.identity, id, write.options(&bytes))
        .await?;
    Ok(Entity::written(restored.map(Aircraft::from)))
}
