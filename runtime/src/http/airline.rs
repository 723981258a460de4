//! `/api/v1/airline`: what anybody may know before logging in.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::application::views::TenantView;
use crate::http::problem::Problem;
use crate::http::state::HttpState;

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new().routes(routes!(get_airline))
}

/// The airline, for its sign-in page.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Airline {
    #[schema(example = "Skyways Virtual")]
    display_name: String,
    #[schema(example = "SKY")]
    icao_code: String,
}

/// Which airline is this?
#[utoipa::path(get, path = "/airline", operation_id = "getAirline", tag = "airline", security(()),
    responses((status = 200, description = "The airline", body = Airline)))]
async fn get_airline(State(state): State<HttpState>) -> Result<Json<Airline>, Problem> {
    let profile = declared(&state).await?.entity.profile;
    Ok(Json(Airline {
        display_name: profile.display_name,
        icao_code: profile.icao_code,
    }))
}

/// The airline as it was declared.
///
/// # Errors
/// 503 before the first declaration has arrived.
pub async fn declared(state: &HttpState) -> Result<TenantView, Problem> {
    let tenant = state.airline().tenant().await?;
    tenant.ok_or_else(|| Problem::unavailable().detail("the airline has not been declared yet"))
}
