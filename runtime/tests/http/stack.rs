//! One airline in memory, and a client of it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use albatross::adapters::memory::{self, MemoryWakeUps};
use albatross::application::airline::Airline;
use albatross::application::passwords::Passwords;
use albatross::application::secrets::{LinkToken, Pepper};
use albatross::application::shared::Parts;
use albatross::domain::ids::TenantId;
use albatross::http::client_address::TrustedProxies;
use albatross::http::envelope::MakeId;
use albatross::http::internal::{InternalState, internal_router};
use albatross::http::metrics::HttpMetrics;
use albatross::http::rate_limit::{Rate, Rates};
use albatross::http::router;
use albatross::http::site::Site;
use albatross::http::state::{HttpParts, HttpState};
use albatross::ports::cache::Cache;
use albatross::ports::clock::{Clock, Entropy};
use albatross::ports::supervisor::Supervisor;
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

pub const URL: &str = "http://skyways.localhost:8080";
pub const TOKEN: &str = "operator-token";
const PASSWORD: &str = "correct horse battery staple";

/// The real time, and what a test has added to it.
#[derive(Default)]
pub struct AheadClock(AtomicI64);

impl AheadClock {
    pub fn advance_hours(&self, hours: i64) {
        self.0.fetch_add(hours * 3_600_000_000, Ordering::Relaxed);
    }
}

impl Clock for AheadClock {
    fn now(&self) -> Timestamp {
        let now = Timestamp::now().as_microsecond() + self.0.load(Ordering::Relaxed);
        Timestamp::from_microsecond(now).unwrap()
    }
}

struct RealEntropy;

impl Entropy for RealEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        rand::fill(bytes);
    }
}

/// A cache that is always away.
struct NoCache;

#[async_trait]
impl Cache for NoCache {
    async fn get(&self, _: &str) -> Option<Bytes> {
        None
    }
    async fn fill(&self, _: &str, _: Bytes, _: i64, _: Duration) {}
    async fn invalidate(&self, _: &str, _: i64) {}
}

/// An airline with its routers.
pub struct Stack {
    pub public: Router,
    pub internal: Router,
    pub shutdown: CancellationToken,
    pub clock: Arc<AheadClock>,
    pepper: [u8; 32],
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Stack {
    /// An airline that was declared with two admins, who have not logged in yet.
    pub async fn new() -> Self {
        Self::with_rates(generous()).await
    }

    pub async fn with_rates(rates: Rates) -> Self {
        let stack = Self::undeclared(rates).await;
        let answer = stack.declare(json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        stack
    }

    pub async fn undeclared(rates: Rates) -> Self {
        let pepper = [7; 32];
        let entropy: Arc<dyn Entropy> = Arc::new(RealEntropy);
        let stores = memory::open();
        let clock = Arc::new(AheadClock::default());
        let airline = Arc::new(Airline::new(
            Parts {
                tenant: TenantId(Uuid::new_v4()),
                name: "skyways".to_owned(),
                public_url: URL.to_owned(),
                events: stores.events,
                credentials: stores.credentials,
                read_model: stores.read_model,
                tracks: stores.tracks,
                storage: stores.storage,
                erasures: stores.erasures,
                cache: Arc::new(NoCache),
                wake_ups: Arc::new(MemoryWakeUps::new()),
                clock: clock.clone(),
                entropy: entropy.clone(),
                tenant_key: [9; 32],
                pepper,
                passwords: Arc::new(Passwords::new(2, entropy.clone())),
            },
            stores.schema_version,
        ));
        airline.prepare().await.unwrap();
        let shutdown = CancellationToken::new();
        let (project, tell, react) = (airline.clone(), airline.clone(), airline.clone());
        let (cancel, end, stop) = (shutdown.clone(), shutdown.clone(), shutdown.clone());
        let supervisor = Supervisor::new(entropy.clone());
        tokio::spawn(async move { project.project(&supervisor, &cancel).await });
        tokio::spawn(async move { tell.changes.run(&end).await });
        tokio::spawn(async move { react.reactions.run(&stop).await });
        let ids = MakeId(entropy);
        let public = router(HttpState::new(HttpParts {
            airline: airline.clone(),
            site: Site::new(URL).unwrap(),
            rates,
            proxies: TrustedProxies::new(|_| true),
            metrics: HttpMetrics::register(&mut Registry::default()),
            ids: ids.clone(),
            shutdown: shutdown.clone(),
        }));
        let internal = internal_router(InternalState {
            airline,
            token: Arc::new(TOKEN.into()),
            ids,
        });
        Self {
            public,
            internal,
            shutdown,
            clock,
            pepper,
        }
    }

    /// Applies a desired state: two admins, and what `more` says.
    pub async fn declare(&self, more: Value) -> Answer {
        let mut desired = json!({
            "number": 1,
            "tenant": {"displayName": "Skyways", "icaoCode": "SKY", "publicUrl": URL},
            "admins": [
                self.admin("ada@skyways.example", "TenantAdmin"),
                self.admin("root@host.example", "PlatformAdmin"),
            ],
            "apiKeys": [],
        });
        for (name, value) in more.as_object().unwrap() {
            desired[name] = value.clone();
        }
        let call = Call::new("PUT", "/internal/v1/desired").bearer(TOKEN);
        self.ask_internal(call.json(desired)).await
    }

    fn admin(&self, email: &str, role: &str) -> Value {
        json!({
            "email": email, "displayName": email.split('@').next(), "role": role,
            "loginLink": {
                "id": self.link(email).id(),
                "digest": BASE64_STANDARD.encode(Pepper::new(self.pepper).login_link_digest(&self.link(email))),
                "expiresAt": "2100-01-01T00:00:00Z",
            },
        })
    }

    /// The same for the same e-mail address.
    fn link(&self, email: &str) -> LinkToken {
        LinkToken::parse(&link_text(email)).unwrap()
    }

    pub async fn ask(&self, call: Call) -> Answer {
        call.send(&self.public).await
    }

    pub async fn ask_internal(&self, call: Call) -> Answer {
        call.send(&self.internal).await
    }

    /// Logs a declared admin in by the one-time link.
    pub async fn admin_session(&self, email: &str) -> Person {
        let call = Call::new("POST", "/api/v1/auth/link");
        let answer = self
            .ask(call.json(json!({"token": link_text(email)})))
            .await;
        Person::from_log_in(answer)
    }

    pub async fn tenant_admin(&self) -> Person {
        self.admin_session("ada@skyways.example").await
    }

    pub async fn platform_admin(&self) -> Person {
        self.admin_session("root@host.example").await
    }

    /// Registers and logs in.
    pub async fn pilot(&self, name: &str) -> Person {
        let email = format!("{name}@skyways.example");
        let register = json!({"email": email, "displayName": name, "password": PASSWORD});
        let call = Call::new("POST", "/api/v1/users");
        let answer = self.ask(call.json(register)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        self.log_in(&email).await
    }

    pub async fn log_in(&self, email: &str) -> Person {
        let call = Call::new("POST", "/api/v1/auth/login");
        let body = json!({"email": email, "password": PASSWORD});
        Person::from_log_in(self.ask(call.json(body)).await)
    }

    /// Registers, is given the role, and logs in.
    pub async fn reviewer(&self, name: &str, admin: &Person) -> Person {
        let pilot = self.pilot(name).await;
        let path = format!("/api/v1/users/{}/roles", pilot.id);
        let call = Call::new("PUT", &path).by(admin);
        let answer = self
            .ask(call.json(json!({"roles": ["Pilot", "Reviewer"]})))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.log_in(&format!("{name}@skyways.example")).await
    }

    /// Issues an API key of this person's.
    pub async fn key(&self, owner: &Person, scopes: &[&str]) -> String {
        let path = format!("/api/v1/users/{}/apikeys", owner.id);
        let call = Call::new("POST", &path).by(owner).named();
        let answer = self
            .ask(call.json(json!({"name": "test", "scopes": scopes})))
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body["key"].as_str().unwrap().to_owned()
    }

    /// The same, for an hour.
    pub async fn hourly_key(&self, owner: &Person, scopes: &[&str]) -> String {
        let path = format!("/api/v1/users/{}/apikeys", owner.id);
        let end = self.clock.now() + SignedDuration::from_hours(1);
        let call = Call::new("POST", &path).by(owner).named();
        let new = json!({"name": "test", "scopes": scopes, "expiresAt": end});
        let answer = self.ask(call.json(new)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body["key"].as_str().unwrap().to_owned()
    }

    /// Prefiles a flight of this person's and waits until it can be read; returns its path.
    pub async fn flight(&self, pilot: &Person) -> String {
        let path = format!("/api/v1/pireps/{}", Uuid::new_v4());
        let filed = self
            .ask(Call::new("PUT", &path).by(pilot).json(plan()))
            .await;
        assert_eq!(filed.status, 201, "{filed:?}");
        let read = Call::get(&path).by(pilot);
        let read = read.header("albatross-position", &filed.position());
        let read = self.ask(read).await;
        assert_eq!(read.status, 200, "{read:?}");
        path
    }

    /// Adds to what the catalogue lists at `/api/v1/<things>` and waits until it can be read; returns its path.
    pub async fn added(&self, things: &str, admin: &Person, details: Value) -> String {
        let call = Call::new("POST", &format!("/api/v1/{things}")).by(admin);
        let added = self.ask(call.json(details)).await;
        assert_eq!(added.status, 201, "{added:?}");
        let path = added.headers["location"].to_str().unwrap().to_owned();
        let read = Call::get(&path).by(admin);
        let read = read.header("albatross-position", &added.position());
        assert_eq!(self.ask(read).await.status, 200, "{path}");
        path
    }

    /// The same, submitted; returns path and ETag.
    pub async fn submitted(&self, pilot: &Person) -> (String, String) {
        let path = self.flight(pilot).await;
        let call = Call::new("POST", &format!("{path}/submit"))
            .by(pilot)
            .named();
        let report = json!({"report": {"blockTimeMin": 210, "flightTimeMin": 180}});
        let answer = self.ask(call.json(report)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        (path, answer.etag())
    }
}

fn link_text(email: &str) -> String {
    let letters: String = email.chars().filter(char::is_ascii_alphanumeric).collect();
    let long = letters.repeat(10);
    format!("{}_{}", &long[..12], &long[..30])
}

pub fn plan() -> Value {
    json!({
        "intent": "prefile",
        "source": {"kind": "Acars", "client": "test 1.0"},
        "plan": {"flightNumber": "ELY1747", "departure": "LIRF", "arrival": "LLBG", "aircraftType": "B744"},
    })
}

/// Limits that no test reaches.
pub fn generous() -> Rates {
    let rate = Rate {
        requests: NonZeroU32::new(1_000_000).unwrap(),
        window: Duration::from_secs(1),
    };
    Rates {
        credentials: rate,
        telemetry: rate,
        general: rate,
        failures: rate,
    }
}

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: String,
    pub cookie: String,
}

impl Person {
    pub fn from_log_in(answer: Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        Self {
            id: answer.body["user"]["id"].as_str().unwrap().to_owned(),
            cookie: answer.cookie(),
        }
    }
}

/// A request.
pub struct Call {
    method: String,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    /// With one more header of a name that may be there already.
    pub fn also(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, value.parse().unwrap());
        self
    }

    /// With whatever a header can hold; without it where it cannot.
    pub fn hostile(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            self.headers.append(name, value);
        }
        self
    }

    /// With this person's cookie, as their browser sends it.
    pub fn by(self, person: &Person) -> Self {
        self.header("cookie", &person.cookie).header("origin", URL)
    }

    pub fn key(self, key: &str) -> Self {
        self.header("x-api-key", key)
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With an Idempotency-Key of its own.
    pub fn named(self) -> Self {
        let name = Uuid::new_v4().to_string();
        self.header("idempotency-key", &name)
    }

    pub fn json(self, body: Value) -> Self {
        self.text(&body.to_string())
    }

    pub fn text(mut self, body: &str) -> Self {
        self.body = Bytes::copy_from_slice(body.as_bytes());
        self.headers
            .entry("content-type")
            .or_insert("application/json".parse().unwrap());
        self
    }

    pub async fn respond(mut self, router: &Router) -> http::Response<Body> {
        let body = Body::from(std::mem::take(&mut self.body));
        self.respond_to(router, body).await
    }

    /// With a body whose size is not announced.
    pub async fn respond_to(self, router: &Router, body: Body) -> http::Response<Body> {
        let mut request = Request::builder().method(&*self.method).uri(&self.path);
        *request.headers_mut().unwrap() = self.headers;
        let request = request.body(body).unwrap();
        router.clone().oneshot(request).await.unwrap()
    }

    async fn send(self, router: &Router) -> Answer {
        let what = format!("{} {}", self.method, self.path);
        let (parts, body) = self.respond(router).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let answer = Answer {
            what,
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned())),
        };
        answer.check_shape();
        answer
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    what: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// Every error is a problem document, and none is a fault of the service's own.
    fn check_shape(&self) {
        let fault = self.status.is_server_error() && self.status != 503;
        assert!(!fault, "{} failed: {self:?}", self.what);
        assert!(self.headers.contains_key("x-request-id"), "{self:?}");
        if self.status.is_client_error() || self.status.is_server_error() {
            assert_eq!(
                self.headers["content-type"], "application/problem+json",
                "{self:?}"
            );
            assert_eq!(self.body["status"], self.status.as_u16(), "{self:?}");
            assert_eq!(
                self.body["requestId"],
                self.headers["x-request-id"].to_str().unwrap()
            );
            assert!(
                self.body["type"]
                    .as_str()
                    .unwrap()
                    .starts_with("/problems/")
            );
        }
    }

    /// The last segment of the problem's type.
    pub fn problem(&self) -> &str {
        let kind = self.body["type"].as_str().unwrap_or_default();
        kind.trim_start_matches("/problems/")
    }

    pub fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }

    pub fn position(&self) -> String {
        self.headers["albatross-position"]
            .to_str()
            .unwrap()
            .to_owned()
    }

    /// Name and value of the session cookie.
    pub fn cookie(&self) -> String {
        let set = self.headers["set-cookie"].to_str().unwrap();
        set.split(';').next().unwrap().to_owned()
    }
}

/// The token of a one-time link.
pub fn one_time_link(url: &str) -> String {
    let token = url.split('#').nth(1).unwrap();
    assert!(LinkToken::parse(token).is_some(), "{url}");
    token.to_owned()
}
