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

type Answer = Pin<Box<dyn Future<Output = Result<Vec<String>, String>> + Send>>;

/// Says whether this process can serve, with what is degraded all the same, or why not; each in one line.
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
        Ok(degraded) => {
            let degraded = degraded.iter().map(|part| format!("degraded: {part}\n"));
            degraded
                .fold("ready\n".to_owned(), |text, line| text + &line)
                .into_response()
        }
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

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn probe(answer: Result<Vec<String>, String>) -> (u16, String) {
        let router = probe_router(ProbeState {
            ready: Arc::new(move || {
                let answer = answer.clone();
                Box::pin(async { answer })
            }),
            registry: Arc::default(),
        });
        let request = Request::get("/readyz").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1_024).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_is_degraded_is_told_with_200_and_what_is_awaited_with_503() {
        assert_eq!(probe(Ok(Vec::new())).await, (200, "ready\n".to_owned()));
        let degraded = probe(Ok(vec!["flights".to_owned()])).await;
        assert_eq!(degraded, (200, "ready\ndegraded: flights\n".to_owned()));
        let awaited = probe(Err("flights".to_owned())).await;
        assert_eq!(awaited, (503, "flights\n".to_owned()));
    }
}
