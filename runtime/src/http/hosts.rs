//! Several airlines on one listener, told apart by host name.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use http::header::HOST;
use tower::ServiceExt;

use crate::http::envelope::{MakeId, envelope};
use crate::http::problem::Problem;

/// Which airline answers under which host name; may change at any time.
#[derive(Clone)]
pub struct Hosts {
    airlines: Arc<RwLock<Airlines>>,
    unknown: Router,
}

#[derive(Default)]
struct Airlines {
    by_host: BTreeMap<String, Router>,
    elsewhere: Option<Router>,
}

impl Hosts {
    /// Nobody answers yet. With `told`, whoever asks for an unknown host is told which there are: right on loopback,
    /// where the asker is at home; elsewhere it would list all customers.
    pub fn new(ids: MakeId, told: bool) -> Self {
        let airlines = Arc::new(RwLock::new(Airlines::default()));
        let known = airlines.clone();
        let unknown = Router::new()
            .fallback(async move || {
                let mut detail = "no airline answers under this host name".to_owned();
                if told {
                    let airlines = known.read().unwrap_or_else(PoisonError::into_inner);
                    let hosts: Vec<&str> = airlines.by_host.keys().map(String::as_str).collect();
                    detail = format!("{detail}; there are: {}", hosts.join(", "));
                }
                Problem::not_found().detail(detail)
            })
            .layer(from_fn_with_state(ids, envelope));
        Self { airlines, unknown }
    }

    /// From now on `router` answers under `host` (without a port).
    pub fn insert(&self, host: &str, router: Router) {
        let mut airlines = self
            .airlines
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        airlines.by_host.insert(host.to_ascii_lowercase(), router);
    }

    /// From now on nobody answers under `host`.
    pub fn remove(&self, host: &str) {
        let mut airlines = self
            .airlines
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        airlines.by_host.remove(&host.to_ascii_lowercase());
    }

    /// Who answers under any other host name.
    pub fn set_elsewhere(&self, router: Option<Router>) {
        let mut airlines = self
            .airlines
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        airlines.elsewhere = router;
    }

    /// The router of the listener.
    pub fn router(self) -> Router {
        Router::new().fallback(async move |request: Request| self.answer(request).await)
    }

    async fn answer(&self, request: Request) -> Response {
        let airline = self.airline_of(&request);
        let airline = airline.unwrap_or_else(|| self.unknown.clone());
        match airline.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    fn airline_of(&self, request: &Request) -> Option<Router> {
        let airlines = self.airlines.read().unwrap_or_else(PoisonError::into_inner);
        let known = host(request).and_then(|host| airlines.by_host.get(&host));
        known.or(airlines.elsewhere.as_ref()).cloned()
    }
}

/// Lower case and without its port.
fn host(request: &Request) -> Option<String> {
    let authority = match request.uri().host() {
        Some(host) => return Some(host.to_ascii_lowercase()),
        None => request.headers().get(HOST)?.to_str().ok()?,
    };
    let authority: http::uri::Authority = authority.parse().ok()?;
    Some(authority.host().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http_body_util::BodyExt;
    use rstest::rstest;

    use super::*;
    use crate::ports::clock::Entropy;

    struct Zeros;

    impl Entropy for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    async fn ask(hosts: &Hosts, host: &str) -> (u16, String) {
        let request = Request::builder().header(HOST, host).body(Body::empty());
        let response = hosts
            .clone()
            .router()
            .oneshot(request.unwrap())
            .await
            .unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[rstest]
    #[case("skyways.localhost:8080", 200, "skyways")]
    #[case("SkyWays.localhost", 200, "skyways")]
    #[case("nordwind.localhost:8080", 200, "nordwind")]
    #[case(
        "other.localhost:8080",
        404,
        "there are: nordwind.localhost, skyways.localhost"
    )]
    #[case("", 404, "requestId")]
    #[tokio::test]
    async fn airlines_are_told_apart_by_host(
        #[case] host: &str,
        #[case] status: u16,
        #[case] text: &str,
    ) {
        let hosts = Hosts::new(MakeId(Arc::new(Zeros)), true);
        hosts.insert(
            "skyways.localhost",
            Router::new().fallback(async || "skyways"),
        );
        hosts.insert(
            "nordwind.localhost",
            Router::new().fallback(async || "nordwind"),
        );
        let (answered, body) = ask(&hosts, host).await;
        assert_eq!(answered, status, "{body}");
        assert!(body.contains(text), "{body}");
    }

    #[tokio::test]
    async fn one_airline_may_answer_elsewhere_until_it_goes() {
        let hosts = Hosts::new(MakeId(Arc::new(Zeros)), false);
        let skyways = Router::new().fallback(async || "skyways");
        hosts.insert("skyways.localhost", skyways.clone());
        hosts.set_elsewhere(Some(skyways));
        assert_eq!(ask(&hosts, "192.168.0.7:8080").await.0, 200);
        hosts.set_elsewhere(None);
        hosts.remove("skyways.localhost");
        let (status, body) = ask(&hosts, "skyways.localhost").await;
        assert_eq!(status, 404);
        assert!(!body.contains("there are"), "{body}");
    }
}
