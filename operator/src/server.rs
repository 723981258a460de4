//! Probes and metrics.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::context::metrics::Metrics;

/// Set once the caches are warm: this replica could lead.
pub type Readiness = Arc<AtomicBool>;

#[derive(Clone)]
struct Answers {
    metrics: Metrics,
    ready: Readiness,
}

/// Serves `/healthz`, `/readyz` and `/metrics` until told to stop.
///
/// # Errors
/// When the address is taken or may not be used.
pub async fn serve(
    address: SocketAddr,
    metrics: Metrics,
    ready: Readiness,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(text))
        .with_state(Answers { metrics, ready });
    let listener = TcpListener::bind(address).await?;
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

async fn readyz(State(answers): State<Answers>) -> impl IntoResponse {
    if answers.ready.load(Ordering::SeqCst) {
        (StatusCode::OK, "ready")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the caches are not warm yet",
        )
    }
}

async fn text(State(answers): State<Answers>) -> impl IntoResponse {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match answers.metrics.text() {
        Ok(text) => Ok(([(header::CONTENT_TYPE, OPENMETRICS)], text)),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}
