//! The internal API of every tenant's runtime, as the real one keeps it: numbered states, and keys by their digests.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, put};
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// What one tenant's runtime knows.
#[derive(Clone, Debug, Default)]
pub struct Runtime {
    /// The operator's token, as first shown; no other is accepted.
    token: String,
    /// Of the state that it was told last.
    pub number: u64,
    pub state: Value,
    /// Behind which Service it was first told each state, by its number.
    pub told_behind: BTreeMap<u64, String>,
    /// Every key that it was ever told of, by id.
    pub keys: BTreeMap<String, Key>,
    /// Flights that are under way.
    pub airborne: u64,
    /// Who was erased.
    pub erased: BTreeSet<Uuid>,
    /// Addresses of those who have logged in.
    pub logged_in: BTreeSet<String>,
    /// It answers nobody.
    pub is_away: bool,
    /// It takes no state.
    pub refuses: bool,
    /// It registers no key that it does not know.
    pub refuses_keys: bool,
    /// Its pods end again and again, and are never ready.
    pub is_ill: bool,
    pub migration: Migration,
}

/// What becomes of a tenant's next migration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Migration {
    #[default]
    Succeeds,
    Fails,
    /// Until it is to succeed or to fail.
    Hangs,
}

/// A key of a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub digest: String,
    pub revoked: bool,
    pub expires_at: Timestamp,
}

pub type All = Arc<Mutex<BTreeMap<String, Runtime>>>;

/// All of them, on one port: `/<tenant>/<Service>` is a tenant's.
pub struct Runtimes {
    address: SocketAddr,
    all: All,
    calls: Arc<Calls>,
    _task: AbortOnDropHandle<()>,
}

/// How many calls are under way.
#[derive(Default)]
struct Calls {
    /// Nobody is answered.
    held: watch::Sender<bool>,
    now: AtomicUsize,
    most: AtomicUsize,
}

/// One call, until it is answered or given up.
struct UnderWay(Arc<Calls>);

impl UnderWay {
    fn begin(calls: Arc<Calls>) -> Self {
        let now = calls.now.fetch_add(1, Ordering::SeqCst) + 1;
        calls.most.fetch_max(now, Ordering::SeqCst);
        Self(calls)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Runtimes {
    /// # Panics
    /// When there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("there is a free port");
        let all = All::default();
        let calls = Arc::<Calls>::default();
        let router = Router::new()
            .route("/{tenant}/{service}/internal/v1/desired", put(apply))
            .route("/{tenant}/{service}/internal/v1/airborne", get(airborne))
            .route("/{tenant}/{service}/internal/v1/erased", get(erased))
            .with_state(all.clone())
            .layer(middleware::from_fn_with_state(calls.clone(), count));
        Self {
            address: listener.local_addr().expect("a listener has an address"),
            all,
            calls,
            _task: AbortOnDropHandle::new(tokio::spawn(async move {
                let served = axum::serve(listener, router).await;
                served.expect("serving does not end");
            })),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a tenant's runtime knows by now.
    pub fn of(&self, tenant: &str) -> Runtime {
        known(&self.all, tenant)
    }

    pub fn all(&self) -> All {
        self.all.clone()
    }

    /// From now on nobody is answered, or everybody is again.
    pub fn hold(&self, held: bool) {
        self.calls.held.send_replace(held);
    }

    /// How many calls are under way, and the most that ever were at once.
    pub fn calls(&self) -> (usize, usize) {
        let Calls { now, most, .. } = &*self.calls;
        (now.load(Ordering::SeqCst), most.load(Ordering::SeqCst))
    }

    /// Changes what a tenant's runtime knows, as its users or a restored backup would.
    pub fn change(&self, tenant: &str, change: impl FnOnce(&mut Runtime)) {
        change(lock(&self.all).entry(tenant.to_owned()).or_default());
    }
}

impl Runtime {
    /// Ids of the keys that are not revoked, in order.
    pub fn live_keys(&self) -> Vec<&str> {
        let live = self.keys.iter().filter(|(_, key)| !key.revoked);
        live.map(|(id, _)| id.as_str()).collect()
    }

    fn apply(&mut self, state: Value, service: String) -> (StatusCode, Json<Value>) {
        let number = state["number"].as_u64().expect("a state has a number");
        if number < self.number {
            let problem = json!({"status": 409, "applied": self.number});
            return (StatusCode::CONFLICT, Json(problem));
        }
        if self.is_away {
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                Json(json!({"status": 503})),
            );
        }
        if self.refuses {
            let problem = json!({"status": 422, "detail": "not this one"});
            return (StatusCode::UNPROCESSABLE_ENTITY, Json(problem));
        }
        self.number = number;
        self.told_behind.entry(number).or_insert(service);
        // What is not wanted any more is revoked, and stays so.
        let wanted = list(&state["apiKeys"]).map(|key| text(&key["keyId"]));
        let wanted: BTreeSet<_> = wanted
            .chain(list(&state["keptApiKeys"]).map(text))
            .collect();
        for (id, key) in &mut self.keys {
            key.revoked |= !wanted.contains(id);
        }
        for key in list(&state["apiKeys"]) {
            let id = text(&key["keyId"]);
            if self.refuses_keys && !self.keys.contains_key(&id) {
                continue;
            }
            let was_revoked = self.keys.get(&id).is_some_and(|before| before.revoked);
            let told = Key {
                digest: text(&key["digest"]),
                revoked: was_revoked || key["revoked"] == true,
                expires_at: text(&key["expiresAt"]).parse().expect("a key has an end"),
            };
            self.keys.insert(id, told);
        }
        self.state = state;
        (StatusCode::OK, Json(self.report()))
    }

    fn report(&self) -> Value {
        let keys = self.keys.iter().map(|(id, key)| {
            let state = if key.revoked { "Revoked" } else { "Active" };
            json!({"keyId": id, "state": state})
        });
        let wanted = list(&self.state["apiKeys"]).map(|key| text(&key["keyId"]));
        let refused = wanted
            .filter(|id| !self.keys.contains_key(id))
            .map(|id| json!({"keyId": id, "message": "no more keys"}));
        let admins = list(&self.state["admins"]).map(|admin| {
            let has_logged_in = self.logged_in.contains(&text(&admin["email"]));
            json!({"email": admin["email"], "hasLoggedIn": has_logged_in})
        });
        json!({
            "number": self.number,
            "tenantId": "00000000-0000-0000-0000-000000000000",
            "schemaVersion": 1,
            "version": "0.1.0",
            "admins": admins.collect::<Vec<_>>(),
            "apiKeys": keys.collect::<Vec<_>>(),
            "refusedKeys": refused.collect::<Vec<_>>(),
            "erasedDigest": self.erased.iter().map(Uuid::to_string).collect::<String>(),
        })
    }
}

async fn count(State(calls): State<Arc<Calls>>, request: Request, next: Next) -> Response {
    let under_way = UnderWay::begin(calls);
    let mut held = under_way.0.held.subscribe();
    // It ends with the test that holds it.
    let _released = held.wait_for(|held| !held).await.is_ok();
    next.run(request).await
}

async fn apply(
    State(all): State<All>,
    Path((tenant, service)): Path<(String, String)>,
    headers: HeaderMap,
    Json(state): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let token = headers.get("authorization").and_then(|it| it.to_str().ok());
    let token = token.unwrap_or_default().to_owned();
    let mut all = lock(&all);
    let runtime = all.entry(tenant).or_default();
    if runtime.token.is_empty() {
        runtime.token.clone_from(&token);
    }
    if token.is_empty() || runtime.token != token {
        return (StatusCode::UNAUTHORIZED, Json(json!({"status": 401})));
    }
    runtime.apply(state, service)
}

async fn airborne(
    State(all): State<All>,
    Path((tenant, _)): Path<(String, String)>,
) -> Json<Value> {
    let flights = lock(&all).get(&tenant).map(|runtime| runtime.airborne);
    Json(json!({"flights": flights.unwrap_or_default()}))
}

/// What a tenant's runtime knows.
pub fn known(all: &All, tenant: &str) -> Runtime {
    lock(all).get(tenant).cloned().unwrap_or_default()
}

/// Two at a time.
async fn erased(
    State(all): State<All>,
    Path((tenant, _)): Path<(String, String)>,
    Query(query): Query<BTreeMap<String, Uuid>>,
) -> Json<Value> {
    let runtime = lock(&all).get(&tenant).cloned().unwrap_or_default();
    let after = query.get("after");
    let rest = runtime.erased.iter().filter(|id| Some(*id) > after);
    let rest: Vec<_> = rest.collect();
    let items = &rest[..rest.len().min(2)];
    let next = items.last().filter(|_| rest.len() > 2);
    Json(json!({"items": items, "next": next}))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn lock(all: &All) -> MutexGuard<'_, BTreeMap<String, Runtime>> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}
