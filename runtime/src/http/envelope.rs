//! The outermost layer: names each request and gives every error its body.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use uuid::Uuid;

use crate::http::problem::{MEDIA_TYPE, Problem, kind};
use crate::ports::clock::Entropy;

/// Name of the header that carries a request's id, both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request that is being served.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Makes random ids (UUID version 4) from the process's randomness.
#[derive(Clone)]
pub struct MakeId(pub Arc<dyn Entropy>);

impl MakeId {
    pub fn new_id(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.0.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// Takes over a sane id of the client's (or its proxy's), else makes one.
pub async fn envelope(State(ids): State<MakeId>, mut request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(&X_REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|value| is_sane(value))
        .map(str::to_owned)
        .unwrap_or_else(|| ids.new_id().to_string());
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = with_body(next.run(request).await, &id);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

fn is_sane(id: &str) -> bool {
    (8..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn with_body(mut response: Response, id: &str) -> Response {
    let status = response.status();
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if is_foreign_error(&response) => {
            let headers = std::mem::take(response.headers_mut());
            let mut problem = Problem::new(kind::by_status(status)).into_response();
            problem.headers_mut().extend(headers);
            return with_body(problem, id);
        }
        None => return response,
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    let body = serde_json::to_vec(&problem.document(id)).unwrap_or_default();
    Response::from_parts(parts, Body::from(body))
}

/// An error that a library answered in a form of its own.
fn is_foreign_error(response: &Response) -> bool {
    let status = response.status();
    (status.is_client_error() || status.is_server_error())
        && response
            .headers()
            .get(CONTENT_TYPE)
            .is_none_or(|value| value.as_bytes().starts_with(b"text/plain"))
}
