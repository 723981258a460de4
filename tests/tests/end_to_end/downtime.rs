//! Everything that replaces pods or keys, while a client writes and reads without pause: no request is lost.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use albatross_tests::airline::Caller;
use albatross_tests::kubectl::{kubectl, object, secret};
use albatross_tests::wait::{recovered, until};
use reqwest::header::RETRY_AFTER;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::airline::{Airline, CLIENTS, entry};

const WRITERS: usize = 2;
/// What was written is to be read.
const POSITION: &str = "albatross-position";
/// As often as the rate limit of one key lets two writers write and read.
const PACE: Duration = Duration::from_millis(250);
/// `tests/cluster/make-cluster` gives the cluster an image of this version beside the one that its chart names.
const NEXT_VERSION: &str = "9.0.0";
/// Acknowledged writes by which a phase is known to have gone on under load.
const ENOUGH: usize = 20;

/// What one client may do about a request that was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// Nothing.
    None,
    /// Once more, as RFC 9110 (9.2.2) permits of an idempotent request whose connection was closed.
    Retry,
    /// Until somebody listens: nobody does while the airline sleeps.
    Asleep,
}

/// What the clients share.
#[derive(Default)]
struct Seen {
    acknowledged: Vec<Uuid>,
    retried: usize,
    asleep: usize,
    failures: Vec<String>,
}

struct Load {
    client: Mutex<Caller>,
    patience: Mutex<Patience>,
    seen: Mutex<Seen>,
    stop: CancellationToken,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Load {
    async fn run(self: Arc<Self>) {
        let mut pace = tokio::time::interval(PACE);
        while !self.stop.is_cancelled() {
            pace.tick().await;
            let id = Uuid::new_v4();
            let path = format!("/pireps/{id}");
            let plan = json!({"flightNumber": "SKY1", "departure": "LIRF", "arrival": "LLBG", "aircraftType": "B744"});
            let body = json!({"intent": "prefile", "plan": plan});
            let put = |caller: &Caller| caller.request(Method::PUT, &path).json(&body);
            let Some(written) = self.ask("PUT", &put).await else {
                continue;
            };
            lock(&self.seen).acknowledged.push(id);
            let position = &written.headers()[POSITION];
            let get = |caller: &Caller| {
                let get = caller.request(Method::GET, &path);
                get.header(POSITION, position)
            };
            self.ask("GET", &get).await;
        }
    }

    /// The answer, if it is a good one.
    async fn ask(
        &self,
        what: &str,
        request: &impl Fn(&Caller) -> RequestBuilder,
    ) -> Option<Response> {
        let mut retried = false;
        loop {
            let caller = lock(&self.client).clone();
            let patience = *lock(&self.patience);
            let answer = request(&caller).send().await;
            // What was asked to be visible was not in time: then the answer says to come back.
            let is_late = answer.as_ref().is_ok_and(|it| {
                it.status() == StatusCode::SERVICE_UNAVAILABLE
                    && it.headers().contains_key(RETRY_AFTER)
            });
            let (error, may_be_repeated) = match answer.map(Response::error_for_status) {
                Ok(Ok(answer)) => return Some(answer),
                Ok(Err(refused)) => (refused, is_late && what == "GET"),
                Err(unanswered) if patience == Patience::Asleep && unanswered.is_connect() => {
                    lock(&self.seen).asleep += 1;
                    tokio::time::sleep(PACE).await;
                    continue;
                }
                Err(unanswered) => (unanswered, true),
            };
            if may_be_repeated && patience != Patience::None && !retried {
                eprintln!("{what} once more: {error:?}");
                lock(&self.seen).retried += 1;
                retried = true;
                continue;
            }
            let failure = format!("{what}, {patience:?}: {error:?}");
            lock(&self.seen).failures.push(failure);
            return None;
        }
    }

    /// Goes on for a while, and nothing has failed so far.
    async fn goes_on(&self, phase: &str) {
        let before = lock(&self.seen).acknowledged.len();
        until(&format!("writes go on after {phase}"), async || {
            let seen = lock(&self.seen);
            let failures = &seen.failures;
            assert!(failures.is_empty(), "{phase}: {failures:#?}");
            seen.acknowledged.len() >= before + ENOUGH
        })
        .await;
        let seen = lock(&self.seen);
        let (count, retried, asleep) = (seen.acknowledged.len(), seen.retried, seen.asleep);
        eprintln!("{phase}: {count} written, {retried} sent again, {asleep} while asleep");
    }

    fn may(&self, patience: Patience) {
        *lock(&self.patience) = patience;
    }
}

/// Through the Eviction API, as a drained node does; returns once another pod serves in its place.
async fn evict(airline: &Airline, pod: &str) {
    let namespace = &airline.namespace;
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace},
    });
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), eviction.to_string()).expect("a written file");
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/eviction");
    kubectl(&[
        "create",
        "--raw",
        &path,
        "--filename",
        &file.path().to_string_lossy(),
    ]);
    recovered("another pod serves", async || {
        let status = &object(namespace, "deployment/api")["status"];
        !airline.pods().contains(pod) && status["readyReplicas"] == 2
    })
    .await;
}

/// Changes the key once, as a declaration in git would, and returns the next one.
async fn rotate(airline: &Airline) -> String {
    let name = format!("{}-acars", airline.name);
    let patch = r#"{"spec": {"rotation": {"every": "30d", "overlap": "1h", "trigger": "now"}}}"#;
    let key = format!("apikey/{name}");
    kubectl(&[
        "--namespace",
        CLIENTS,
        "patch",
        &key,
        "--type=merge",
        "--patch",
        patch,
    ]);
    let mut next = airline.key.clone();
    recovered("the next key is published", async || {
        next = entry(&secret(CLIENTS, &name), "key");
        next != airline.key
    })
    .await;
    next
}

/// To the other version that the cluster has an image of: its migration runs first, and then all pods are of it.
async fn upgrade(airline: &Airline) {
    let images = || {
        let selector = "--selector=albatross.aero/component=api";
        let image = "--output=jsonpath={.items[*].spec.containers[*].image}";
        let get = [
            "--namespace",
            &airline.namespace,
            "get",
            "pods",
            selector,
            image,
        ];
        let images: BTreeSet<String> = kubectl(&get)
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        images
    };
    let before = images();
    airline.change(json!({"version": NEXT_VERSION}));
    airline.is_ready("Available").await;
    recovered("all pods are of the next version", async || {
        images()
            .iter()
            .all(|it| it.ends_with(&format!(":{NEXT_VERSION}")))
    })
    .await;
    assert!(images().is_disjoint(&before), "{before:?}");
    // Its Job is gone once it has succeeded; the record says which image's migrations the database has.
    let record = secret("albatross-system", &format!("tenant-{}", airline.name));
    let migrated = entry(&record, "migratedImage");
    assert!(
        migrated.ends_with(&format!(":{NEXT_VERSION}")),
        "{migrated}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_replaces_pods_or_keys_costs_a_request() {
    let airline = Airline::declared_like("skyways");
    let host = airline.service();
    let caller = |key: &str| Caller::with_key(&format!("http://{host}"), &host, key);
    let load = Arc::new(Load {
        client: Mutex::new(caller(&airline.key)),
        patience: Mutex::new(Patience::Retry),
        seen: Mutex::default(),
        stop: CancellationToken::new(),
    });
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| tokio::spawn(Arc::clone(&load).run()))
        .collect();
    load.goes_on("the beginning").await;

    for replicas in [3, 1, 2] {
        let tenant = format!("tenant/{}", airline.name);
        kubectl(&["scale", &tenant, &format!("--replicas={replicas}")]);
        airline.is_ready("Available").await;
        recovered("the others have ended", async || {
            airline.pods().len() == replicas
        })
        .await;
        load.goes_on(&format!("scaling to {replicas}")).await;
    }

    load.may(Patience::None);
    let next = rotate(&airline).await;
    load.goes_on("the next key, with the old one").await;
    *lock(&load.client) = caller(&next);
    load.goes_on("the next key").await;
    load.may(Patience::Retry);

    let before = airline.pods();
    airline.change(json!({"api": {"resources": {"requests": {"cpu": "15m", "memory": "48Mi"}}}}));
    airline.is_ready("Available").await;
    recovered("no pod is left of before", async || {
        airline.pods().is_disjoint(&before)
    })
    .await;
    load.goes_on("rolling all pods").await;

    upgrade(&airline).await;
    load.goes_on("upgrading to another image").await;

    for pod in airline.pods() {
        evict(&airline, &pod).await;
        load.goes_on("evicting a pod").await;
    }

    load.may(Patience::Asleep);
    airline.change(json!({"hibernate": "Now"}));
    airline.is_ready("Hibernated").await;
    recovered("no pod is left", async || airline.pods().is_empty()).await;
    airline.change(json!({"hibernate": "Never"}));
    airline.is_ready("Available").await;
    load.goes_on("hibernating and waking").await;

    load.stop.cancel();
    for writer in writers {
        writer.await.expect("a writer does not panic");
    }
    all_is_there_once(&load, &caller(&next)).await;
    airline.remove();
}

/// Whatever was acknowledged is listed, and nothing is listed twice.
async fn all_is_there_once(load: &Load, caller: &Caller) {
    let written: BTreeSet<String> = {
        let seen = lock(&load.seen);
        seen.acknowledged.iter().map(Uuid::to_string).collect()
    };
    let last = written.last().expect("something was written");
    until("the list is up to date", async || {
        caller.status_of(&format!("/pireps/{last}")).await == StatusCode::OK
    })
    .await;
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = caller.get(&format!("/pireps?limit=100{cursor}")).await;
        let items = page["items"].as_array().expect("a list has items");
        let ids = items.iter().filter_map(|it| it["id"].as_str());
        listed.extend(ids.map(str::to_owned));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let distinct: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(distinct.len(), listed.len(), "something is listed twice");
    let missing: Vec<_> = written.difference(&distinct).collect();
    assert!(
        missing.is_empty(),
        "acknowledged and not there: {missing:?}"
    );
}
