//! `/internal/v1`: what the operator declares and asks, on a port of its own.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use uuid::Uuid;

use crate::application::airline::Airline;
use crate::application::desired::DesiredError;
use crate::application::desired::model::{DesiredReport, DesiredState};
use crate::application::erased::ErasedPage;
use crate::http::deadline::TIMEOUT;
use crate::http::envelope::{MakeId, envelope};
use crate::http::extract::{Body, Query};
use crate::http::problem::{Problem, kind, panicked};

/// A state with thousands of keys still fits.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// Most ids of the erased in one answer: under 400 KB.
const MAX_ERASED: usize = 10_000;

/// What the internal port of one airline is made of.
#[derive(Clone)]
pub struct InternalState {
    pub airline: Arc<Airline>,
    /// The operator's token for this airline.
    pub token: Arc<SecretString>,
    pub ids: MakeId,
}

/// The router of the internal port.
pub fn internal_router(state: InternalState) -> Router {
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(state.ids.clone(), envelope))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            TIMEOUT,
        ))
        .layer(from_fn_with_state(state.clone(), authenticate))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
    Router::new()
        .route("/internal/v1/desired", get(applied).put(apply))
        .route("/internal/v1/airborne", get(airborne))
        .route("/internal/v1/erased", get(erased))
        .fallback(async || Problem::not_found())
        .layer(layers)
        .with_state(state)
}

async fn authenticate(
    State(state): State<InternalState>,
    request: Request,
    next: Next,
) -> Response {
    if is_operator(request.headers(), state.token.expose_secret()) {
        next.run(request).await
    } else {
        Problem::new(kind::UNAUTHENTICATED).into_response()
    }
}

fn is_operator(headers: &HeaderMap, token: &str) -> bool {
    let given = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    // Compared in constant time; only the length could be learned.
    given.is_some_and(|given| given.ct_eq(token.as_bytes()).into())
}

async fn apply(
    State(state): State<InternalState>,
    Body { value, .. }: Body<DesiredState>,
) -> Result<Json<DesiredReport>, Problem> {
    match state.airline.desired.apply(value).await {
        Ok(report) => Ok(Json(report)),
        Err(DesiredError::Outdated { applied }) => Err(Problem::new(kind::OUTDATED)
            .detail(format!("number {applied} was applied last"))
            .applied(applied)),
        Err(DesiredError::Service(error)) => Err(error.into()),
    }
}

async fn applied(State(state): State<InternalState>) -> Result<Json<DesiredReport>, Problem> {
    let applied = state.airline.desired.applied().await?;
    applied.map(Json).ok_or_else(Problem::not_found)
}

/// What hibernation waits for.
#[derive(Serialize)]
struct Airborne {
    flights: i64,
}

async fn airborne(State(state): State<InternalState>) -> Result<Json<Airborne>, Problem> {
    let flights = state.airline.airborne().await?;
    Ok(Json(Airborne { flights }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    after: Option<Uuid>,
}

/// What the ledger outside the database is filled from.
async fn erased(
    State(state): State<InternalState>,
    Query(After { after }): Query<After>,
) -> Result<Json<ErasedPage>, Problem> {
    let erased = state.airline.erasure.erased(after, MAX_ERASED).await?;
    Ok(Json(erased))
}
