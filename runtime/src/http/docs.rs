//! The API's own description: the OpenAPI document, its page, and the pages of problems.

pub mod html;
pub mod openapi;

use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use crate::http::problem::{Problem, kind};
use crate::http::state::HttpState;

/// What is served of the API's description, as text: made once it is asked for, and once for all airlines of a process.
pub struct Documents {
    openapi: Bytes,
    reference: Bytes,
}

impl Documents {
    /// Of an OpenAPI document.
    pub fn of(api: &Value) -> Self {
        Self {
            openapi: api.to_string().into(),
            reference: html::reference(api).into(),
        }
    }
}

/// Routes outside the API proper, which anybody may read.
pub fn routes(documents: &'static LazyLock<Documents>) -> Router<HttpState> {
    let openapi = async || {
        (
            [(CONTENT_TYPE, "application/json")],
            documents.openapi.clone(),
        )
    };
    Router::new()
        .route("/api/openapi.json", get(openapi))
        .route("/api/docs", get(async || Html(documents.reference.clone())))
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
