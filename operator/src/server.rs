//! Probes and metrics.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
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

/// Asks the operator whose `/readyz` is at `url` whether it is ready.
///
/// # Errors
/// When it does not answer within 10 s, or says that it is not.
pub async fn ask(url: &str) -> anyhow::Result<()> {
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()?;
    let answer = http.get(url).send().await;
    let answer = answer.with_context(|| format!("no operator answers at {url}"))?;
    let status = answer.status();
    let text = answer.text().await?;
    anyhow::ensure!(
        status.is_success(),
        "the operator at {url} is not ready: {status}, {text}"
    );
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_asks_is_told_when_the_caches_are_warm() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let ready = Readiness::default();
        let answers = Answers {
            metrics: Metrics::new(),
            ready: Arc::clone(&ready),
        };
        let router = Router::new()
            .route("/readyz", get(readyz))
            .with_state(answers);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/readyz", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let refused = ask(&url).await.unwrap_err().to_string();
        assert!(refused.contains("the caches are not warm yet"), "{refused}");
        ready.store(true, Ordering::SeqCst);
        ask(&url).await.unwrap();
        let nobody = ask("http://127.0.0.1:9/readyz").await.unwrap_err();
        assert!(nobody.to_string().contains("no operator answers"));
    }
}
