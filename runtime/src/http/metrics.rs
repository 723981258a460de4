//! Counts and times requests by route, for Prometheus.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::http::state::HttpState;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: String,
    /// The template, never the path itself: ids are no labels.
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    method: String,
    route: String,
    status: u16,
}

/// Measurements of the public port.
#[derive(Clone)]
pub struct HttpMetrics {
    requests: Family<Answer, Counter>,
    seconds: Family<Route, Histogram>,
    /// Open event streams.
    pub streams: Gauge,
}

impl HttpMetrics {
    /// Creates them and makes `registry` show them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| {
                Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0])
            }),
            streams: Gauge::default(),
        };
        registry.register(
            "albatross_http_requests",
            "Requests answered",
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "albatross_http_request_duration",
            "Time until the head of the answer",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register(
            "albatross_http_streams",
            "Open event streams",
            metrics.streams.clone(),
        );
        metrics
    }
}

/// Measures one request.
pub async fn measure(State(state): State<HttpState>, request: Request, next: Next) -> Response {
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
        _ => "other",
    }
    .to_owned();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("other", MatchedPath::as_str)
        .to_owned();
    let begun = Instant::now();
    let response = next.run(request).await;
    let metrics = state.metrics();
    let labels = Route {
        method: method.clone(),
        route: route.clone(),
    };
    metrics
        .seconds
        .get_or_create(&labels)
        .observe(begun.elapsed().as_secs_f64());
    let answer = Answer {
        method,
        route,
        status: response.status().as_u16(),
    };
    metrics.requests.get_or_create(&answer).inc();
    response
}
