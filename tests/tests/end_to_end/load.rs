//! Clients that write and read without pause, and what they lost.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use albatross_tests::airline::Caller;
use albatross_tests::wait::until;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const WRITERS: usize = 2;
/// What was written is to be read.
const POSITION: &str = "albatross-position";
/// As often as the rate limit of one key lets two writers write and read.
const PACE: Duration = Duration::from_millis(250);
/// What `Retry-After` says of a read that came too early.
const LATER: Duration = Duration::from_secs(1);
/// So often in a row that a read is no longer merely early.
const MOST_LATE: usize = 20;
/// Acknowledged writes by which a phase is known to have gone on under load.
const ENOUGH: usize = 20;

/// What one client may do about a request that was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
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
    late: usize,
    asleep: usize,
    failures: Vec<String>,
}

struct Clients {
    caller: Mutex<Caller>,
    patience: Mutex<Patience>,
    seen: Mutex<Seen>,
    stop: CancellationToken,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Clients {
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
        let (mut retried, mut late) = (false, 0);
        loop {
            let caller = lock(&self.caller).clone();
            let patience = *lock(&self.patience);
            let answer = request(&caller).send().await;
            let (error, may_be_repeated) = match answer {
                Ok(answer) if answer.status().is_success() => return Some(answer),
                Ok(refused) => {
                    let status = refused.status();
                    let said = refused.text().await.unwrap_or_default();
                    // What was asked to be visible was not in time: the answer says to come back, and nothing is out.
                    if said.contains("not-yet-visible") && late < MOST_LATE {
                        late += 1;
                        lock(&self.seen).late += 1;
                        tokio::time::sleep(LATER).await;
                        continue;
                    }
                    (format!("{status}: {said}"), false)
                }
                Err(unanswered) if patience == Patience::Asleep && unanswered.is_connect() => {
                    lock(&self.seen).asleep += 1;
                    tokio::time::sleep(PACE).await;
                    continue;
                }
                Err(unanswered) => (format!("{unanswered:?}"), true),
            };
            if may_be_repeated && patience != Patience::None && !retried {
                eprintln!("{what} once more: {error}");
                lock(&self.seen).retried += 1;
                retried = true;
                continue;
            }
            let failure = format!("{what}, {patience:?}: {error}");
            lock(&self.seen).failures.push(failure);
            return None;
        }
    }

    async fn go_on(&self, phase: &str) {
        let before = lock(&self.seen).acknowledged.len();
        until(&format!("writes go on after {phase}"), async || {
            let seen = lock(&self.seen);
            let failures = &seen.failures;
            assert!(failures.is_empty(), "{phase}: {failures:#?}");
            seen.acknowledged.len() >= before + ENOUGH
        })
        .await;
        let seen = lock(&self.seen);
        let (count, retried, late) = (seen.acknowledged.len(), seen.retried, seen.late);
        let asleep = seen.asleep;
        eprintln!(
            "{phase}: {count} written, {retried} sent again, {late} seen later, {asleep} while asleep"
        );
    }
}

/// All of them, until they are ended.
pub struct Load {
    clients: Arc<Clients>,
    writers: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn start(caller: Caller, patience: Patience) -> Self {
        let clients = Arc::new(Clients {
            caller: Mutex::new(caller),
            patience: Mutex::new(patience),
            seen: Mutex::default(),
            stop: CancellationToken::new(),
        });
        let writers = (0..WRITERS).map(|_| tokio::spawn(Arc::clone(&clients).run()));
        Self {
            writers: writers.collect(),
            clients,
        }
    }

    /// Goes on for a while, and nothing has failed so far.
    pub async fn goes_on(&self, phase: &str) {
        self.clients.go_on(phase).await;
    }

    pub fn may(&self, patience: Patience) {
        *lock(&self.clients.patience) = patience;
    }

    /// From now on another caller asks.
    pub fn becomes(&self, caller: Caller) {
        *lock(&self.clients.caller) = caller;
    }

    /// Whatever was acknowledged is there, as this caller sees it.
    pub async fn ends(self, caller: &Caller) {
        self.clients.stop.cancel();
        for writer in self.writers {
            writer.await.expect("a writer does not panic");
        }
        all_is_there_once(&self.clients, caller).await;
    }
}

/// Whatever was acknowledged is listed, and nothing is listed twice.
async fn all_is_there_once(clients: &Clients, caller: &Caller) {
    let written: BTreeSet<String> = {
        let seen = lock(&clients.seen);
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
