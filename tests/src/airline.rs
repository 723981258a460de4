//! An airline's REST API, as its users call it.

use std::time::Duration;

use reqwest::header::{COOKIE, HOST, IF_MATCH, ORIGIN, SET_COOKIE};
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::tls::Authority;
use crate::wait::{LIMIT, recovered};

/// Between two attempts to reach anybody.
const PAUSE: Duration = Duration::from_millis(100);

/// How a caller proves who it is.
#[derive(Clone)]
enum Proof {
    ApiKey(String),
    Session(String),
}

/// One caller of one airline.
#[derive(Clone)]
pub struct Caller {
    client: Client,
    /// Where the process listens, such as `http://127.0.0.1:8080`.
    address: String,
    /// The airline's host name, which tells airlines apart on one address.
    host: String,
    proof: Proof,
}

impl Caller {
    /// A program with an API key.
    pub fn with_key(address: &str, host: &str, key: &str) -> Self {
        Self {
            client: Client::new(),
            address: address.to_owned(),
            host: host.to_owned(),
            proof: Proof::ApiKey(key.to_owned()),
        }
    }

    /// The same by what is in front of all airlines, on a port of this machine. Its certificate must be of `authority`;
    /// without one any will do.
    ///
    /// # Panics
    /// When there can be no such client.
    pub fn through(
        scheme: &str,
        port: u16,
        host: &str,
        key: &str,
        authority: Option<&Authority>,
    ) -> Self {
        let client = Client::builder()
            .http1_only()
            .resolve(host, ([127, 0, 0, 1], port).into());
        let client = match authority {
            Some(authority) => {
                let known = Certificate::from_pem(authority.certificate().as_bytes());
                client.tls_certs_only([known.expect("PEM")])
            }
            None => client.danger_accept_invalid_certs(true),
        };
        Self {
            client: client.build().expect("a client"),
            address: format!("{scheme}://{host}:{port}"),
            host: host.to_owned(),
            proof: Proof::ApiKey(key.to_owned()),
        }
    }

    /// A person who opens a one-time link.
    ///
    /// # Panics
    /// When the link lets nobody in.
    pub async fn by_link(address: &str, host: &str, link: &str) -> Self {
        let token = link.rsplit_once('#').expect("a link ends in its token").1;
        let client = Client::new();
        let answer = answer(|| {
            client
                .post(format!("{address}/api/v1/auth/link"))
                .header(HOST, host)
                .header(ORIGIN, format!("http://{host}"))
                .json(&json!({ "token": token }))
        })
        .await;
        assert_eq!(answer.status(), StatusCode::OK, "log-in by link");
        let cookie = answer.headers()[SET_COOKIE].to_str().expect("text");
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Self {
            client,
            address: address.to_owned(),
            host: host.to_owned(),
            proof: Proof::Session(cookie),
        }
    }

    /// The same caller, who asks another process.
    pub fn at(&self, address: &str, host: &str) -> Self {
        Self {
            address: address.to_owned(),
            host: host.to_owned(),
            ..self.clone()
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .client
            .request(method, format!("{}/api/v1{path}", self.address))
            .header(HOST, &self.host);
        match &self.proof {
            Proof::ApiKey(key) => request.header("X-API-Key", key),
            Proof::Session(cookie) => request
                .header(COOKIE, cookie)
                .header(ORIGIN, format!("http://{}", self.host)),
        }
    }

    /// Asks again while it is told to come back later, as by a process that has only just begun.
    ///
    /// # Panics
    /// When it is not answered with 200.
    pub async fn get(&self, path: &str) -> Value {
        let mut last = None;
        recovered("the airline has an answer", async || {
            let answer = last.insert(self.read(path).await);
            answer.status() != StatusCode::SERVICE_UNAVAILABLE
        })
        .await;
        body(last.expect("an answer"), StatusCode::OK).await
    }

    /// The status of a read.
    ///
    /// # Panics
    /// When nobody answers.
    pub async fn status_of(&self, path: &str) -> StatusCode {
        self.read(path).await.status()
    }

    /// Once more if need be: a connection that is forwarded, or was kept for long, may end at any time.
    async fn read(&self, path: &str) -> Response {
        let ask = || self.request(Method::GET, path);
        if let Ok(answered) = ask().send().await {
            return answered;
        }
        answer(ask).await
    }

    /// Accepts a PIREP as it was seen at `version`.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn accept(&self, id: &str, version: i64) -> Value {
        let accept = || {
            self.request(Method::POST, &format!("/pireps/{id}/accept"))
                .header(IF_MATCH, format!("\"{version}\""))
                .json(&json!({}))
        };
        body(answer(accept).await, StatusCode::OK).await
    }
}

/// The answer to a request, which is sent again as long as it meets nobody: a Service may lead nowhere for a moment when pods
/// begin or end.
///
/// # Panics
/// When it is not answered.
pub async fn answer(request: impl Fn() -> RequestBuilder) -> Response {
    let end = Instant::now() + LIMIT;
    loop {
        match request().send().await {
            Err(unmet) if unmet.is_connect() && Instant::now() < end => sleep(PAUSE).await,
            answered => return answered.expect("the airline answers"),
        }
    }
}

async fn body(answer: Response, expected: StatusCode) -> Value {
    let (status, url) = (answer.status(), answer.url().clone());
    let text = answer.text().await.expect("the answer can be read");
    assert_eq!(status, expected, "{url}: {text}");
    serde_json::from_str(&text).expect("the answer is JSON")
}
