//! `/healthz`, `/readyz` and `/metrics`, on a port of their own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use prometheus_client::registry::Registry;

type Answer = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Says whether this process can serve, or why not, in one line.
pub type Readiness = Arc<dyn Fn() -> Answer + Send + Sync>;

/// What the probes look at.
#[derive(Clone)]
pub struct ProbeState {
    pub ready: Readiness,
    pub registry: Arc<Registry>,
}

/// The router of the probe port. Kubelet and Prometheus read texts, so these errors are no problem documents.
pub fn probe_router(state: ProbeState) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(state)
}

async fn ready(State(state): State<ProbeState>) -> Response {
    match (state.ready)().await {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics(State(state): State<ProbeState>) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &state.registry) {
        Ok(()) => (
            [(
                CONTENT_TYPE,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            )],
            text,
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
