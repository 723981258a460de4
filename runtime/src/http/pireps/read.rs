//! Reading PIREPs: lists, one of them, its history and its track.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::application::error::ServiceError;
use crate::application::pirep_queries::{PirepFilter, PirepSort};
use crate::domain::ids::UserId;
use crate::domain::pirep::PirepState;
use crate::http::caller::Known;
use crate::http::error::of_query;
use crate::http::extract::{Path, Query};
use crate::http::lists::page;
use crate::http::pireps::entity::{Pirep, PirepPage};
use crate::http::pireps::history::{History, HistoryEntry};
use crate::http::pireps::room;
use crate::http::pireps::track::Track;
use crate::http::problem::{FieldError, Problem, kind};
use crate::http::respond::Entity;
use crate::http::room::{Each, FREE, turn};
use crate::http::send;
use crate::http::state::HttpState;
use crate::http::visible::Visible;

/// So many large ones are on their way to each user, so that nobody who reads slowly takes all the room of an airline.
static READ: Each<UserId> = Each::new(2);

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new()
        .routes(routes!(list_pireps))
        .routes(routes!(get_pirep))
        .routes(routes!(get_pirep_history))
        .routes(routes!(get_pirep_track))
}

/// Which PIREPs are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Only those in this state; several are separated by commas.
    #[param(example = "Submitted")]
    state: Option<String>,
    /// Only those of this pilot.
    pilot: Option<Uuid>,
    /// Only those whose flight number, callsign, airports, registration or type contain this.
    search: Option<String>,
    /// How many items at most; 50 unless it says otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next` of the page before, with the same filter and sort.
    cursor: Option<String>,
    /// The newest first unless it says otherwise.
    #[serde(default)]
    #[param(inline)]
    sort: Sort,
}

/// Order of the list; `-` is for descending.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
enum Sort {
    #[default]
    #[serde(rename = "-createdAt")]
    Newest,
    #[serde(rename = "createdAt")]
    Oldest,
    #[serde(rename = "-submittedAt")]
    LastSubmitted,
    #[serde(rename = "submittedAt")]
    FirstSubmitted,
}

impl From<Sort> for PirepSort {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Newest => Self::NewestFirst,
            Sort::Oldest => Self::OldestFirst,
            Sort::LastSubmitted => Self::LastSubmittedFirst,
            Sort::FirstSubmitted => Self::FirstSubmittedFirst,
        }
    }
}

/// List PIREPs
///
/// Staff see everybody's, others their own and all that are accepted.
#[utoipa::path(get, path = "/pireps", operation_id = "listPireps", tag = "pireps",
    params(ListParams, Visible), responses((status = 200, description = "A page of PIREPs", body = PirepPage)))]
async fn list_pireps(
    State(state): State<HttpState>,
    known: Known,
    _visible: Visible,
    Query(params): Query<ListParams>,
) -> Result<Json<PirepPage>, Problem> {
    let page = page(params.limit, params.cursor)?;
    let filter = PirepFilter {
        states: states(params.state.as_deref())?,
        pilot: params.pilot.map(Into::into),
        search: params.search.filter(|text| !text.trim().is_empty()),
        sort: params.sort.into(),
    };
    let pireps = &state.airline().pireps;
    let listed = pireps.list(&known.identity, filter, page).await;
    let listed = listed.map_err(of_query)?;
    Ok(Json(PirepPage {
        items: listed.items.into_iter().map(Pirep::from).collect(),
        next: listed.next,
    }))
}

fn states(text: Option<&str>) -> Result<Vec<PirepState>, Problem> {
    let names = text
        .unwrap_or_default()
        .split(',')
        .filter(|name| !name.is_empty());
    names
        .map(|name| {
            PirepState::ALL
                .into_iter()
                .find(|state| state.as_str() == name && *state != PirepState::Discarded)
                .ok_or_else(|| wrong("state", format!("{name:?} is not a state")))
        })
        .collect()
}

fn wrong(parameter: &str, detail: String) -> Problem {
    Problem::new(kind::VALIDATION).error(FieldError::parameter(parameter, "invalid", detail))
}

/// Read a PIREP
#[utoipa::path(get, path = "/pireps/{id}", operation_id = "getPirep", tag = "pireps",
    params(("id" = Uuid, Path, description = "Id of the PIREP"), Visible),
    responses((status = 200, description = "The PIREP", body = Pirep)))]
async fn get_pirep(
    State(state): State<HttpState>,
    known: Known,
    _visible: Visible,
    Path(id): Path<Uuid>,
) -> Result<Entity<Pirep>, Problem> {
    let view = state
        .airline()
        .pireps
        .get(&known.identity, id.into())
        .await?;
    let version = view.version;
    Ok(Entity::read(view.into(), version))
}

/// Read a PIREP's history
///
/// Who changed what, when and why, oldest first.
#[utoipa::path(get, path = "/pireps/{id}/history", operation_id = "getPirepHistory", tag = "pireps",
    params(("id" = Uuid, Path, description = "Id of the PIREP"), Visible),
    responses((status = 200, description = "The history", body = History)))]
async fn get_pirep_history(
    State(state): State<HttpState>,
    known: Known,
    _visible: Visible,
    Path(id): Path<Uuid>,
) -> Result<Json<History>, Problem> {
    let entries = state
        .airline()
        .history
        .of(&known.identity, id.into())
        .await?;
    Ok(Json(History {
        items: entries.into_iter().map(HistoryEntry::from).collect(),
    }))
}

/// Read a flight's track
///
/// One GeoJSON line; each of its properties has one value per position. An answer that is not read for 30 seconds breaks off,
/// and while others take all the room for tracks it is 503.
#[utoipa::path(get, path = "/pireps/{id}/track", operation_id = "getPirepTrack", tag = "pireps",
    params(("id" = Uuid, Path, description = "Id of the PIREP")),
    responses((status = 200, description = "The track", body = Track, content_type = "application/geo+json")))]
async fn get_pirep_track(
    State(state): State<HttpState>,
    known: Known,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    let (airline, id) = (state.airline(), id.into());
    let extent = airline.tracks.visible(&known.identity, id).await?;
    let reads = match room::size(extent) > FREE {
        true => Some(turn(READ.of(known.identity.user()).acquire_owned()).await?),
        false => None,
    };
    let mut room = room::take(airline, extent).await?;
    let track = Track::from(airline.tracks.all(id).await?);
    let json = serde_json::to_vec(&track);
    let json = json.map_err(|error| ServiceError::Corrupt(error.to_string()))?;
    room.keep(json.len());
    let body = send::whole(json.into(), (room, reads));
    Ok(([(CONTENT_TYPE, "application/geo+json")], body).into_response())
}
