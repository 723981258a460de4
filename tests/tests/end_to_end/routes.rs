//! Airlines reached by their host names, through one controller that serves Ingresses and the Gateway API.

use albatross_tests::airline::Caller;
use albatross_tests::kubectl::{PortForward, attempt, kubectl, secret};
use albatross_tests::tls::Authority;
use albatross_tests::wait::{until, within};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};

use crate::airline::Airline;

const UNEXPOSED: &str = "  exposure:\n    none: {}\n";

/// What all airlines of these tests are behind.
struct Edge {
    forward: PortForward,
    scheme: &'static str,
}

impl Edge {
    fn of(scheme: &'static str, port: u16) -> Self {
        let service = attempt(&["--namespace", "traefik", "get", "service/traefik"]);
        assert!(
            service.status.success(),
            "this cluster has no Traefik that routes lead through: tests/cluster/manifests/traefik.yaml says how it is set up"
        );
        let forward = PortForward::to("traefik", "service/traefik", port);
        Self { forward, scheme }
    }

    /// Somebody with that key who asks for that host.
    fn caller(&self, host: &str, key: &str) -> Caller {
        Caller::through(self.scheme, self.forward.port, host, key, None)
    }

    /// The same, who believes this authority and no other.
    fn careful_caller(&self, host: &str, key: &str, authority: &Authority) -> Caller {
        Caller::through(self.scheme, self.forward.port, host, key, Some(authority))
    }
}

fn host(airline: &Airline) -> String {
    let tenant = airline.tenant();
    let host = tenant["spec"]["host"].as_str();
    host.expect("an airline has a host").to_owned()
}

async fn are_told_apart(edge: &Edge, exposure: &str) {
    let exposed = format!("  exposure:\n    {exposure}\n");
    let [skyways, nordwind] =
        ["skyways", "nordwind"].map(|it| Airline::declared(it, &[(UNEXPOSED, &exposed)]));
    for airline in [&skyways, &nordwind] {
        let pilot = edge.caller(&host(airline), &airline.key);
        until("the route leads to the airline", async || {
            pilot.status_of("/pireps").await == StatusCode::OK
        })
        .await;
    }
    hears_at_once(&edge.caller(&host(&skyways), &skyways.key), &skyways).await;

    let stranger = edge.caller(&host(&nordwind), &skyways.key);
    assert_eq!(
        stranger.status_of("/pireps").await,
        StatusCode::UNAUTHORIZED
    );
    let lost = edge.caller("nobody.localhost", &skyways.key);
    assert_eq!(lost.status_of("/pireps").await, StatusCode::NOT_FOUND);
    skyways.remove();
    nordwind.remove();
}

/// The stream is passed on as it comes: it is open before anything happens, and tells a flight while it stays open.
async fn hears_at_once(listener: &Caller, airline: &Airline) {
    let request = listener.request(Method::GET, "/stream").send();
    let opened = within("an answer that has no end", request).await;
    let mut stream = opened.expect("the stream opens");
    assert_eq!(stream.headers()[CONTENT_TYPE], "text/event-stream");
    let mut heard = String::new();
    let flight = airline.file_a_flight().await;
    while !heard.contains(&flight) {
        let chunk = within("the stream to tell of the flight", stream.chunk()).await;
        let chunk = chunk
            .expect("the stream goes on")
            .expect("the stream is open");
        heard.push_str(&String::from_utf8_lossy(&chunk));
    }
}

#[tokio::test]
async fn an_ingress_leads_to_the_airline_of_its_host_alone() {
    let edge = Edge::of("http", 80);
    are_told_apart(&edge, "ingress: {className: traefik}").await;
}

#[tokio::test]
async fn a_gateway_leads_to_the_airline_of_its_host_alone() {
    let edge = Edge::of("https", 443);
    are_told_apart(
        &edge,
        "gateway: {parentRef: {name: edge, namespace: traefik}}",
    )
    .await;
}

#[tokio::test]
async fn an_ingress_shows_the_certificate_of_the_secret_that_is_named() {
    let edge = Edge::of("https", 443);
    let over_tls = r#"{traefik.ingress.kubernetes.io/router.tls: "true"}"#;
    let exposed = format!(
        "  exposure:\n    ingress: {{className: traefik, tlsSecretName: own, annotations: {over_tls}}}\n"
    );
    let airline = Airline::declared("skyways", &[(UNEXPOSED, &exposed)]);
    let host = host(&airline);
    let (authority, other) = (Authority::new(), Authority::new());
    let careful = edge.careful_caller(&host, &airline.key, &authority);
    let pilot = edge.caller(&host, &airline.key);
    until("the route leads to the airline", async || {
        pilot.status_of("/pireps").await == StatusCode::OK
    })
    .await;
    assert!(!is_let_in(&careful).await, "by a certificate of nobody's");

    keep_certificate(&airline, &authority.sign(&format!("DNS:{host}")));
    until("the certificate is shown", async || {
        is_let_in(&careful).await
    })
    .await;
    let wary = edge.careful_caller(&host, &airline.key, &other);
    assert!(!is_let_in(&wary).await, "by a certificate of another's");
    let links = secret(&airline.namespace, "albatross-admin-links");
    let link = &links[0].1;
    assert!(link.starts_with(&format!("https://{host}/")), "{link}");
    airline.remove();
}

/// Somebody who goes away if the certificate is not believed.
async fn is_let_in(caller: &Caller) -> bool {
    let answer = caller.request(Method::GET, "/pireps").send().await;
    answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
}

/// As cert-manager does, or the platform team.
fn keep_certificate(airline: &Airline, (certificate, key): &(String, String)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a written file");
        format!("--{name}={}", path.display())
    };
    let (certificate, key) = (file("cert", certificate), file("key", key));
    let create = ["create", "secret", "tls", "own", &certificate, &key];
    kubectl(&[&["--namespace", &airline.namespace][..], &create[..]].concat());
}
