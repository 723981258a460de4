//! Clients that file flights without a pause, each repeating every call until it is acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use albatross_tests::airline::Caller;
use albatross_tests::wait::recovered;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::{Builder, Uuid};

const CLIENTS: usize = 6;
pub const BATCHES: i32 = 2;
pub const BATCH: i32 = 25;
/// Before a call is repeated.
const PAUSE: Duration = Duration::from_millis(20);
/// A process that was killed closes its connections; one that hangs fails the test by this.
const PATIENCE: Duration = Duration::from_secs(120);

/// What was answered to a call: as much of it as a repeat must answer again.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: StatusCode,
    /// The log position of a write; none for positions, which are no events.
    pub position: Option<i64>,
    pub body: Value,
}

/// A flight of which every call has been acknowledged.
pub struct Flight {
    pub id: Uuid,
    pub filed: Answer,
    pub batches: Vec<Answer>,
    pub submitted: Answer,
}

/// One client, which turns to the next process when one does not answer.
#[derive(Clone)]
pub struct Client {
    callers: Vec<Caller>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    acknowledged: AtomicUsize,
    repeated: AtomicUsize,
}

pub struct Load {
    counts: Arc<Counts>,
    stop: CancellationToken,
    clients: Vec<JoinHandle<Vec<Flight>>>,
}

impl Load {
    /// Begins with one caller for each process of the airline.
    pub fn begin(callers: &[Caller], random: &mut StdRng) -> Self {
        let mut load = Self {
            counts: Arc::default(),
            stop: CancellationToken::new(),
            clients: Vec::new(),
        };
        for first in 0..CLIENTS {
            let mut callers = callers.to_vec();
            let first = first % callers.len();
            callers.rotate_left(first);
            let client = Client {
                callers,
                counts: load.counts.clone(),
            };
            let random = StdRng::seed_from_u64(random.next_u64());
            let filing = file_flights(client, random, load.stop.clone());
            load.clients.push(tokio::spawn(filing));
        }
        load
    }

    /// Writes acknowledged so far.
    ///
    /// # Panics
    /// When a client was answered as it must not be.
    pub fn acknowledged(&self) -> usize {
        let failed = self.clients.iter().any(JoinHandle::is_finished);
        assert!(!failed, "a client has ended");
        self.counts.acknowledged.load(Ordering::Relaxed)
    }

    /// Lets every client finish its flight; returns all flights and how many calls were repeated.
    pub async fn end(self) -> (Vec<Flight>, usize) {
        self.stop.cancel();
        let mut flights = Vec::new();
        for client in self.clients {
            flights.extend(client.await.expect("a client was answered as it must be"));
        }
        (flights, self.counts.repeated.load(Ordering::Relaxed))
    }
}

async fn file_flights(
    mut client: Client,
    mut random: StdRng,
    stop: CancellationToken,
) -> Vec<Flight> {
    let mut flights = Vec::new();
    while !stop.is_cancelled() {
        let mut bytes = [0; 16];
        random.fill_bytes(&mut bytes);
        let id = Builder::from_random_bytes(bytes).into_uuid();
        flights.push(fly(&mut client, id).await);
    }
    flights
}

/// One flight, from prefile to submission.
pub async fn fly(client: &mut Client, id: Uuid) -> Flight {
    let filed = client.call(|caller| file(caller, id)).await;
    let mut batches = Vec::new();
    for batch in 0..BATCHES {
        batches.push(client.call(|caller| send(caller, id, batch)).await);
    }
    Flight {
        id,
        filed,
        batches,
        submitted: client.call(|caller| submit(caller, id)).await,
    }
}

impl Client {
    /// For calls after the load, by one caller for each process.
    pub fn new(callers: Vec<Caller>) -> Self {
        Self {
            callers,
            counts: Arc::default(),
        }
    }

    /// Calls until it is acknowledged. What is no success must be worth a repeat.
    pub async fn call(&mut self, request: impl Fn(&Caller) -> RequestBuilder) -> Answer {
        loop {
            let sent = request(&self.callers[0]).timeout(PATIENCE).send().await;
            if let Some(answer) = answer(sent).await {
                self.counts.acknowledged.fetch_add(1, Ordering::Relaxed);
                return answer;
            }
            self.counts.repeated.fetch_add(1, Ordering::Relaxed);
            self.callers.rotate_left(1);
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// None: nobody knows what became of the call.
async fn answer(sent: reqwest::Result<reqwest::Response>) -> Option<Answer> {
    let response = match sent {
        Ok(response) => response,
        Err(error) => {
            assert!(!error.is_timeout(), "a process hangs: {error}");
            return None;
        }
    };
    let status = response.status();
    let position = response.headers().get("albatross-position");
    let position = position.and_then(|position| position.to_str().ok()?.parse().ok());
    let text = response.text().await.ok()?;
    if matches!(status.as_u16(), 429 | 503) {
        return None;
    }
    assert!(status.is_success(), "{status}: {text}");
    Some(Answer {
        status,
        position,
        body: serde_json::from_str(&text).expect("an answer is JSON"),
    })
}

/// Files flights until one is refused for now; returns them all. The last pages of the files take some.
pub async fn until_refused(caller: &Caller) -> Vec<Uuid> {
    let mut flights = Vec::new();
    recovered("a write is refused", async || {
        let flight = Uuid::from_u128(flights.len() as u128 + 1);
        flights.push(flight);
        let answer = file(caller, flight).send().await;
        let answer = answer.expect("the process answers");
        let refused = answer.status() == StatusCode::SERVICE_UNAVAILABLE;
        assert!(!refused || answer.headers().contains_key("retry-after"));
        refused
    })
    .await;
    flights
}

pub fn file(caller: &Caller, id: Uuid) -> RequestBuilder {
    let plan = json!({"flightNumber": "SKY1", "departure": "LIRF", "arrival": "LLBG", "aircraftType": "B744"});
    let body = json!({"intent": "prefile", "plan": plan});
    let request = caller.request(Method::PUT, &format!("/pireps/{id}"));
    let request = match is_named(id) {
        true => request.header("Idempotency-Key", format!("file-{id}")),
        false => request,
    };
    request.json(&body)
}

/// Every other flight is filed by a named request; for the others their id has to do.
pub fn is_named(id: Uuid) -> bool {
    id.as_bytes()[15] % 2 == 1
}

pub fn send(caller: &Caller, id: Uuid, batch: i32) -> RequestBuilder {
    let positions: Vec<Value> = (batch * BATCH..(batch + 1) * BATCH)
        .map(|sequence| {
            json!({
                "sequence": sequence, "time": format!("2026-11-20T10:{:02}:{:02}Z", sequence / 60, sequence % 60),
                "lat": latitude(sequence), "lon": 12.2, "groundSpeedKt": 250, "phase": "ENR",
            })
        })
        .collect();
    let name = Uuid::new_v5(&id, &batch.to_be_bytes());
    caller
        .request(Method::POST, &format!("/pireps/{id}/positions"))
        .json(&json!({"batchId": name, "positions": positions}))
}

pub fn submit(caller: &Caller, id: Uuid) -> RequestBuilder {
    caller
        .request(Method::POST, &format!("/pireps/{id}/submit"))
        .header("Idempotency-Key", format!("submit-{id}"))
        .json(&json!({"lastSequence": BATCHES * BATCH - 1}))
}

/// Degrees; differs from position to position.
pub fn latitude(sequence: i32) -> f64 {
    41.8 + f64::from(sequence) / 100.0
}
