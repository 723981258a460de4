//! What a reconciliation does can be followed in a collector of traces, and one that is away holds up nothing.

use std::sync::{Arc, Mutex};

use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{Platform, Setting};
use albatross_tests::wait::until;
use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// Keeps what is sent to it by OTLP over HTTP.
struct Collector {
    url: String,
    received: Arc<Mutex<Vec<u8>>>,
    _serving: AbortOnDropHandle<()>,
}

impl Collector {
    async fn start() -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let sink = received.clone();
        let take = async move |headers: HeaderMap, body: Bytes| {
            assert_eq!(headers["content-type"], "application/x-protobuf");
            sink.lock().unwrap().extend_from_slice(&body);
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/traces", post(take));
        let serving = async move { axum::serve(listener, router).await.unwrap() };
        Self {
            url,
            received,
            _serving: AbortOnDropHandle::new(tokio::spawn(serving)),
        }
    }

    /// Texts stand in Protobuf as they are.
    fn holds(&self, text: &str) -> bool {
        let received = self.received.lock().unwrap();
        let mut windows = received.windows(text.len());
        windows.any(|window| window == text.as_bytes())
    }
}

#[tokio::test]
async fn a_reconciliation_is_traced_with_its_steps_and_its_calls() {
    let collector = Collector::start().await;
    let mut setting = Setting::straight().await;
    setting.otlp = Some(collector.url.clone());
    let platform = Platform::with(setting).await;
    let operator = platform.operator().await;
    platform.airline("traced", json!({})).await;
    platform.remove("traced").await;
    operator.stop().await;
    // A span of each kind: the whole, a step, a step at a server, a call to a runtime, one to the API server.
    for text in [
        "albatross-operator",
        "reconcile",
        "traced",
        "claim",
        "ensure",
        "Database",
        "finalize",
        "/internal/v1/desired",
        "/apis/albatross.aero/v1alpha1/tenants/traced/status",
    ] {
        until(text, async || collector.holds(text)).await;
    }
    for account in ["rabbitmq", "redis"] {
        let account = platform.secret(NAMESPACE, account).await.unwrap();
        assert!(
            !collector.holds(&account["password"]),
            "a password was sent"
        );
    }
}

#[tokio::test]
async fn a_collector_that_is_away_holds_up_nothing() {
    let mut setting = Setting::straight().await;
    setting.otlp = Some("http://127.0.0.1:9".to_owned());
    let platform = Platform::with(setting).await;
    let operator = platform.operator().await;
    platform.airline("untraced", json!({})).await;
    platform.remove("untraced").await;
    operator.stop().await;
}
