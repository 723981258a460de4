//! A gate before a server that speaks HTTP.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::faults::{Fault, Journal, SHARED, SILENCE};
use crate::platform::bare;

/// More than any message here has.
const LIMIT: usize = 64 * 1024 * 1024;

pub struct HttpGate {
    address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

struct Gate {
    journal: Arc<Journal>,
    system: &'static str,
    target: String,
    /// Each piece of what a watch tells comes this much later.
    watch_delay: Duration,
    client: reqwest::Client,
}

impl HttpGate {
    /// Stands before `target`, a URL without a path. `certificate`: what it shows, in PEM, if it is not known anyway.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn before(
        target: &str,
        system: &'static str,
        certificate: Option<&[u8]>,
        journal: &Arc<Journal>,
    ) -> Self {
        Self::start(target, system, certificate, journal, Duration::ZERO).await
    }

    /// Stands before an API server whose watches tell everything `delay` later than it answers.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn with_late_watches(target: &str, certificate: &[u8], delay: Duration) -> Self {
        let journal = Arc::new(Journal::new().0);
        Self::start(target, "kubernetes", Some(certificate), &journal, delay).await
    }

    async fn start(
        target: &str,
        system: &'static str,
        certificate: Option<&[u8]>,
        journal: &Arc<Journal>,
        watch_delay: Duration,
    ) -> Self {
        let mut client = reqwest::Client::builder().no_proxy();
        if let Some(certificate) = certificate {
            let known = reqwest::Certificate::from_pem(certificate).expect("a certificate");
            client = client.tls_certs_only([known]);
        }
        let gate = Gate {
            journal: journal.clone(),
            system,
            target: bare(target),
            watch_delay,
            client: client.build().expect("an HTTP client"),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("there is a free port");
        let router = Router::new().fallback(pass).with_state(Arc::new(gate));
        Self {
            address: listener.local_addr().expect("a listener has an address"),
            _task: AbortOnDropHandle::new(tokio::spawn(async move {
                let served = axum::serve(listener, router).await;
                served.expect("serving does not end");
            })),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn pass(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LIMIT).await.unwrap_or_else(|_| cut());
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let fault = gate.ask(&parts, path, &body);
    let is_watch = is_watch(path);
    match fault {
        Some(Fault::Error) => return refusal(),
        // As long as its caller waits: nobody limits a watch for it.
        Some(Fault::Timeout) if is_watch => return std::future::pending().await,
        Some(Fault::Timeout) => {
            tokio::time::sleep(SILENCE).await;
            cut()
        }
        Some(Fault::LostAnswer | Fault::Death) | None => {}
    }
    let answer = gate
        .forward(&parts.method, path, &parts.headers, body)
        .await;
    match (fault, answer) {
        (None, Some(answer)) => answer,
        (Some(Fault::LostAnswer), Some(answer)) if is_watch => silent(answer),
        (Some(Fault::Death), answer) => {
            // A watch has no end that could be waited for.
            if !is_watch {
                drop(whole(answer).await);
            }
            gate.journal.die();
            std::future::pending().await
        }
        (_, answer) => {
            drop(whole(answer).await);
            cut()
        }
    }
}

impl Gate {
    fn ask(&self, parts: &Parts, path: &str, body: &[u8]) -> Option<Fault> {
        let of_path = self.journal.subject(path.as_bytes());
        let subject = of_path.or_else(|| self.journal.subject(body));
        let subject = subject.as_deref().unwrap_or(SHARED);
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        let is_json_patch = parts
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|it| it.as_bytes().starts_with(b"application/json-patch"));
        // One path may be written by several managers, each for its own reason, and in several ways.
        let manager = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("fieldManager="));
        let how = match manager {
            _ if is_watch(path) => " (watch)".to_owned(),
            Some(manager) if is_json_patch => format!(" as {manager} by JSON patch"),
            Some(manager) => format!(" as {manager}"),
            None => String::new(),
        };
        let path = self.journal.normal(bare, subject);
        let what = match path.rsplit_once("/events") {
            // Whether one is new or a repetition is a matter of timing.
            Some((before, _)) => format!("{}: note {before}/events", self.system),
            None => format!("{}: {} {path}{how}", self.system, parts.method),
        };
        self.journal.pass(subject, what)
    }

    /// The answer, as it comes; none if the server is not there.
    async fn forward(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Option<Response> {
        let mut headers = headers.clone();
        for own in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
            headers.remove(own);
        }
        let stored = method != Method::GET && path.contains("/secrets");
        let secret: Option<Value> = stored.then(|| serde_json::from_slice(&body).ok()).flatten();
        let request = self
            .client
            .request(method.clone(), format!("{}{path}", self.target))
            .headers(headers)
            .body(body);
        let answer = request.send().await.ok()?;
        if let (Some(secret), true) = (secret, answer.status().is_success()) {
            self.journal.stored(&secret);
        }
        let mut response = Response::builder().status(answer.status());
        if let Some(to) = response.headers_mut() {
            to.extend(answer.headers().clone());
            for own in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
                to.remove(own);
            }
        }
        let pieces = answer.bytes_stream();
        let body = if is_watch(path) {
            let delay = self.watch_delay;
            Body::from_stream(pieces.then(move |piece| async move {
                tokio::time::sleep(delay).await;
                piece
            }))
        } else {
            Body::from_stream(pieces)
        };
        response.body(body).ok()
    }
}

fn is_watch(path: &str) -> bool {
    path.contains("watch=")
}

/// Begins, stays open, and never says anything.
fn silent(answer: Response) -> Response {
    let (head, _) = answer.into_parts();
    let nothing = stream::pending::<Result<Bytes, Infallible>>();
    Response::from_parts(head, Body::from_stream(nothing))
}

/// Waits for the end of an answer that nobody will get.
async fn whole(answer: Option<Response>) -> Option<Bytes> {
    to_bytes(answer?.into_body(), LIMIT).await.ok()
}

/// As servers refuse that are in trouble.
fn refusal() -> Response {
    let status = r#"{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500, "message": "out of order"}"#;
    (StatusCode::INTERNAL_SERVER_ERROR, status).into_response()
}

/// Closes the connection without an answer: its task ends by a panic that nobody is told of.
fn cut() -> ! {
    resume_unwind(Box::new("the connection is cut"))
}
