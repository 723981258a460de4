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

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use http::StatusCode;
    use http_body_util::BodyExt;
    use rstest::rstest;
    use tower::{ServiceBuilder, ServiceExt};
    use tower_http::catch_panic::CatchPanicLayer;

    use super::*;
    use crate::http::problem::panicked;

    struct Zeros;

    impl Entropy for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    async fn panics() -> &'static str {
        panic!("the secret is 42")
    }

    async fn ask(path: &str, id: &str) -> (Response<()>, serde_json::Value) {
        let layers = ServiceBuilder::new()
            .layer(from_fn_with_state(MakeId(Arc::new(Zeros)), envelope))
            .layer(CatchPanicLayer::custom(panicked));
        let router = Router::new()
            .route("/panic", get(panics))
            .route("/bare", get(async || StatusCode::BAD_REQUEST))
            .route(
                "/text",
                get(async || (StatusCode::PAYLOAD_TOO_LARGE, "too large")),
            )
            .layer(layers);
        let request = Request::builder().uri(path).header(X_REQUEST_ID, id);
        let request = request.body(Body::empty()).unwrap();
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            Response::from_parts(parts, ()),
            serde_json::from_slice(&body).unwrap(),
        )
    }

    #[rstest]
    #[case("/panic", 500, "internal")]
    #[case("/bare", 400, "invalid-request")]
    #[case("/text", 413, "body-too-large")]
    #[tokio::test]
    async fn whatever_fails_is_a_problem(
        #[case] path: &str,
        #[case] status: u16,
        #[case] code: &str,
    ) {
        let (response, body) = ask(path, "my-request-7").await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()[CONTENT_TYPE], MEDIA_TYPE);
        assert_eq!(body["type"], format!("/problems/{code}"));
        assert_eq!(body["requestId"], "my-request-7");
        assert!(!body.to_string().contains("42"), "{body}");
    }

    #[rstest]
    #[case("")]
    #[case("short")]
    #[case("with space inside")]
    #[case("\"><script>alert(1)</script>")]
    #[tokio::test]
    async fn a_strange_id_is_not_taken_over(#[case] id: &str) {
        let (response, body) = ask("/bare", id).await;
        assert_eq!(
            response.headers()[X_REQUEST_ID],
            "00000000-0000-4000-8000-000000000000"
        );
        assert_eq!(body["requestId"], "00000000-0000-4000-8000-000000000000");
    }
}
