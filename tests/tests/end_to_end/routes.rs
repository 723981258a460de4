//! Airlines reached by their host names, through one controller that serves Ingresses and the Gateway API.

use albatross_tests::airline::Caller;
use albatross_tests::kubectl::{PortForward, attempt};
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
        Caller::through(self.scheme, self.forward.port, host, key)
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
    let flight = airline.file_a_flight();
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
