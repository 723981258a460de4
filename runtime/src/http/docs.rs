//! The API's own description: the OpenAPI document, its page, and the pages of problems.

pub mod html;
pub mod openapi;

use std::sync::Arc;

use axum::extract::Path;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::CONTENT_TYPE;
use serde_json::Value;

use crate::http::problem::{Problem, kind};
use crate::http::state::HttpState;

/// Routes outside the API proper, which anybody may read.
pub fn routes(api: Value) -> Router<HttpState> {
    let page: Arc<str> = html::reference(&api).into();
    let api = Arc::new(api);
    Router::new()
        .route("/api/openapi.json", get(async move || Json(api)))
        .route("/api/docs", get(async move || Html(page.to_string())))
        .route("/api/docs/style.css", get(style))
        .route("/problems/{code}", get(problem))
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], html::STYLE).into_response()
}

async fn problem(Path(code): Path<String>) -> Result<Html<String>, Problem> {
    let kind = kind::by_code(&code).ok_or_else(Problem::not_found)?;
    Ok(Html(html::problem(kind)))
}
