//! One listener for many airlines: each is told apart by the host name that is asked for.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use http::header::HOST;
use tower::ServiceExt;

use crate::adapters::system::SystemEntropy;
use crate::http::envelope::{MakeId, envelope};
use crate::http::problem::Problem;

/// Who answers under which host name. Changes while it serves.
#[derive(Clone, Default)]
pub struct Hosts(Arc<RwLock<Routes>>);

#[derive(Default)]
struct Routes {
    by_host: HashMap<String, Router>,
    /// Answers under every other name.
    default: Option<Router>,
}

impl Hosts {
    /// From now on exactly these.
    pub fn set(&self, by_host: HashMap<String, Router>, default: Option<Router>) {
        let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *routes = Routes { by_host, default };
    }

    pub fn router(self) -> Router {
        Router::new().fallback(dispatch).with_state(self)
    }

    fn find(&self, host: &str) -> Option<Router> {
        let routes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let named = routes.by_host.get(host);
        named.or(routes.default.as_ref()).cloned()
    }
}

async fn dispatch(State(hosts): State<Hosts>, request: Request) -> Response {
    let host = host(&request);
    let router = hosts.find(&host).unwrap_or_else(|| nobody(host));
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Answers under a host name that belongs to no airline.
fn nobody(host: String) -> Router {
    let ids = MakeId(Arc::new(SystemEntropy));
    Router::new()
        .fallback(async move || {
            let detail = format!("No airline answers under the host name {host:?}.");
            Problem::not_found().detail(detail)
        })
        .layer(from_fn_with_state(ids, envelope))
}

/// Without the port, in lower case.
fn host(request: &Request) -> String {
    let header = request.headers().get(HOST);
    let named = header.and_then(|value| value.to_str().ok());
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let text = authority.or(named).unwrap_or_default();
    let host = match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => text,
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::StatusCode;
    use rstest::rstest;

    use super::*;

    async fn ask(hosts: &Hosts, name: &str) -> StatusCode {
        let request = Request::builder().uri("/").header(HOST, name);
        let request = request.body(Body::empty()).unwrap();
        let answer = hosts.clone().router().oneshot(request).await;
        answer.unwrap().status()
    }

    #[rstest]
    #[case("skyways.localhost:8080", StatusCode::OK)]
    #[case("SkyWays.localhost", StatusCode::OK)]
    #[case("skyways.localhost.:80", StatusCode::OK)]
    #[case("nordwind.localhost", StatusCode::NOT_FOUND)]
    #[case("", StatusCode::NOT_FOUND)]
    #[case("[::1]:8080", StatusCode::NOT_FOUND)]
    #[tokio::test]
    async fn the_host_name_chooses_the_airline(#[case] name: &str, #[case] status: StatusCode) {
        let hosts = Hosts::default();
        let airline = Router::new().fallback(async || "skyways");
        hosts.set(
            HashMap::from([("skyways.localhost".to_owned(), airline)]),
            None,
        );
        assert_eq!(ask(&hosts, name).await, status);
    }

    #[tokio::test]
    async fn a_default_answers_under_every_name() {
        let hosts = Hosts::default();
        hosts.set(
            HashMap::new(),
            Some(Router::new().fallback(async || "skyways")),
        );
        assert_eq!(ask(&hosts, "192.168.0.7:8080").await, StatusCode::OK);
    }
}
