//! The REST API, the web page and the ports for operator and probes: the table of contents.

pub mod airline;
pub mod api_keys;
pub mod assets;
pub mod auth;
pub mod authorisation;
pub mod caller;
pub mod catalogue;
pub mod client_address;
pub mod deadline;
pub mod docs;
pub mod envelope;
pub mod error;
pub mod extract;
pub mod failures;
pub mod gate;
pub mod headers;
pub mod hosts;
pub mod internal;
pub mod lists;
pub mod me;
pub mod metrics;
pub mod open_streams;
pub mod pireps;
pub mod preconditions;
pub mod probes;
pub mod problem;
pub mod rate_limit;
pub mod receive;
pub mod respond;
pub mod room;
pub mod rules;
pub mod schemas;
pub mod send;
pub mod settings;
pub mod site;
pub mod state;
pub mod stream;
pub mod strict;
pub mod users;
pub mod visible;

use std::sync::LazyLock;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use http::header::{AUTHORIZATION, COOKIE, HeaderName, SET_COOKIE};
use serde_json::Value;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::sensitive_headers::SetSensitiveHeadersLayer;
use tower_http::trace::TraceLayer;
use tracing::Span;
use utoipa_axum::router::OpenApiRouter;

use docs::Documents;
use envelope::RequestId;
use state::HttpState;

/// The public port of one airline: API, documentation and web page.
pub fn router(state: HttpState) -> Router {
    let (api, _) = api().split_for_parts();
    let api = api.route_layer(from_fn_with_state(state.clone(), gate::gate));
    let secrets = [
        AUTHORIZATION,
        COOKIE,
        SET_COOKIE,
        HeaderName::from_static("x-api-key"),
    ];
    // From the outside in.
    let layers = ServiceBuilder::new()
        .layer(CompressionLayer::new())
        .layer(SetSensitiveHeadersLayer::new(secrets))
        .layer(from_fn_with_state(state.clone(), headers::secure))
        .layer(from_fn_with_state(state.ids().clone(), envelope::envelope))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(from_fn_with_state(state.clone(), metrics::measure))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(from_fn(deadline::in_time))
        .layer(from_fn(extract::one_host))
        .layer(from_fn(extract::acceptable))
        .layer(DefaultBodyLimit::max(extract::MAX_BODY_BYTES));
    Router::new()
        .merge(api)
        .merge(docs::routes(&DOCUMENTS))
        .fallback(assets::page)
        .layer(layers)
        .with_state(state)
}

static DOCUMENTS: LazyLock<Documents> = LazyLock::new(|| Documents::of(&openapi()));

/// The routes of the API, and their description.
fn api() -> OpenApiRouter<HttpState> {
    let routes = OpenApiRouter::new()
        .merge(airline::routes())
        .merge(auth::routes())
        .merge(me::routes())
        .merge(users::routes())
        .merge(api_keys::routes())
        .merge(pireps::routes())
        .merge(settings::routes())
        .merge(rules::routes())
        .merge(catalogue::routes())
        .merge(stream::routes());
    OpenApiRouter::with_openapi(docs::openapi::base()).nest("/api/v1", routes)
}

/// The OpenAPI document, as it is committed and served.
pub fn openapi() -> Value {
    docs::openapi::complete(api().into_openapi())
}

/// Names a request in the log by its route, never by its query or headers.
fn span(request: &Request) -> Span {
    let route = request.extensions().get::<MatchedPath>();
    let id = request.extensions().get::<RequestId>();
    tracing::info_span!(
        "request",
        method = %request.method(),
        route = route.map_or("", MatchedPath::as_str),
        id = id.map_or("", |id| id.0.as_str()),
    )
}
