//! `/api/v1/rules`: what an airline lets be decided without its staff.

pub mod dto;
pub mod input;

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::caller::{Known, Write};
use crate::http::extract::Body;
use crate::http::problem::Problem;
use crate::http::respond::Entity;
use crate::http::state::HttpState;
use crate::http::visible::Visible;
use dto::{DryRun, ReviewRules, SetRules, TryRules};
use input::rules;

/// Flights of a dry run that does not say how many.
const FLIGHTS: usize = 100;

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new()
        .routes(routes!(get_rules, set_rules))
        .routes(routes!(try_rules))
}

/// Read the review rules
#[utoipa::path(get, path = "/rules", operation_id = "getRules", tag = "review",
    responses((status = 200, description = "The rules that stand", body = ReviewRules)))]
async fn get_rules(State(state): State<HttpState>) -> Result<Entity<ReviewRules>, Problem> {
    let rules = state.airline().rules.get().await?;
    let version = rules.version;
    Ok(Entity::read(rules.into(), version))
}

/// Change the review rules
///
/// All of them are replaced. They look at every flight that is submitted from now on, once its track has arrived: each
/// says accept, hold or reject, and the worst answer wins. Without any rule, staff decide everything.
#[utoipa::path(put, path = "/rules", operation_id = "setRules", tag = "review",
    request_body = SetRules,
    params(("If-Match" = String, Header, description = "ETag of the version that was seen"), Write),
    responses((status = 200, description = "The rules that stand now", body = ReviewRules)))]
async fn set_rules(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Body { value, bytes }: Body<SetRules>,
) -> Result<Entity<ReviewRules>, Problem> {
    let options = write.versioned(&bytes)?;
    let rules = rules(value.rules)?;
    let service = &state.airline().rules;
    let written = service.change(&known.identity, rules, options).await?;
    Ok(Entity::written(written.map(ReviewRules::from)))
}

/// Try review rules out
///
/// Answers what these rules would have made of the flights that were submitted last, and changes nothing.
#[utoipa::path(post, path = "/rules/dry-run", operation_id = "tryRules", tag = "review",
    request_body = TryRules, params(Visible),
    responses((status = 200, description = "What they would have made of them", body = DryRun)))]
async fn try_rules(
    State(state): State<HttpState>,
    _visible: Visible,
    Body { value, .. }: Body<TryRules>,
) -> Result<Json<DryRun>, Problem> {
    let rules = rules(value.rules)?;
    let flights = value.flights.unwrap_or(FLIGHTS);
    let tried = state.airline().rules.try_out(rules, flights).await?;
    Ok(Json(tried.into()))
}
