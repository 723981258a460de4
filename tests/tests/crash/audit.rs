//! What must hold after the last crash: nothing is lost, nothing is there twice, and everything agrees with the log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use albatross::adapters::memory::MemoryReadModel;
use albatross::adapters::system::SystemClock;
use albatross::adapters::{Stores, open};
use albatross::application::event_names::event_name;
use albatross::application::events::EventReader;
use albatross::application::projections::lane::Lane;
use albatross::application::projections::{Projections, tables};
use albatross::application::subject_keys::SubjectKeys;
use albatross::codec::TenantKey;
use albatross::ports::event_store::RecordedEvent;
use albatross::ports::read_model::{Query, ReadModel, Row};
use albatross_tests::airline::Caller;
use albatross_tests::processes::run;
use albatross_tests::random::Random;
use albatross_tests::wait::recovered;
use reqwest::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use crate::load::{self, Answer, BATCH, BATCHES, Client, Flight};

/// Of many flights, so many are asked about again; the log is read as a whole.
const ASKED: usize = 60;

/// Asks the running processes: every call, repeated, is answered as the first time.
pub async fn repeats(callers: &[Caller], flights: &[Flight]) {
    let mut client = Client::new(callers.to_vec());
    let step = flights.len().div_ceil(ASKED);
    for flight in flights.iter().step_by(step.max(1)) {
        let id = flight.id;
        let submitted = client.call(|caller| load::submit(caller, id)).await;
        assert_eq!(submitted, flight.submitted);
        for (batch, first) in (0..).zip(&flight.batches) {
            let again = client.call(|caller| load::send(caller, id, batch)).await;
            assert_eq!(again, *first);
        }
        let again = client.call(|caller| load::file(caller, id)).await;
        match load::is_named(id) {
            true => assert_eq!(at_its_version(&again), at_its_version(&flight.filed)),
            false => {
                assert_eq!(again.status, StatusCode::OK, "it was there");
                assert_eq!(again.body, flight.submitted.body, "as it is now");
                assert_eq!(again.position, flight.submitted.position);
            }
        }
    }
}

/// An answer without what is no part of the version that it shows: positions arrive beside it.
fn at_its_version(answer: &Answer) -> Answer {
    let mut answer = answer.clone();
    for member in ["track", "contact", "lastContactAt"] {
        answer.body[member].take();
    }
    answer
}

/// Whoever had no answer, since a process was killed, was told what the first one had been.
fn each_was_filed_as_sent(flights: &[Flight]) {
    for Flight { id, filed, .. } in flights {
        let created = filed.status == StatusCode::CREATED;
        // Without a name it can only be told that the flight is there.
        let was_there = filed.status == StatusCode::OK && !load::is_named(*id);
        assert!(created || was_there, "flight {id}: {}", filed.status);
        let body = &filed.body;
        let found = (&body["version"], &body["state"], &body["plan"]["arrival"]);
        let sent = (&json!(1), &json!("InProgress"), &json!("LLBG"));
        assert_eq!(found, sent, "flight {id}");
        assert_eq!(body["id"], id.to_string());
        assert_eq!(body["track"]["positions"], 0, "flight {id}");
    }
}

/// Waits until the running processes show what was submitted last.
pub async fn visible(caller: &Caller, flights: &[Flight]) {
    let last = flights
        .iter()
        .filter_map(|flight| flight.submitted.position);
    let last = last.max().expect("something was submitted").to_string();
    recovered("the list has reached the log", async || {
        let list = caller.request(Method::GET, "/pireps?limit=1");
        let list = list.header("Albatross-Position", &last).send().await;
        list.is_ok_and(|list| list.status() == StatusCode::OK)
    })
    .await;
}

/// Reads the storage itself, whose processes have ended; returns how many events there are.
pub async fn storage(url: &str, tenant_key: [u8; 32], flights: &[Flight]) -> i64 {
    let verified = run(&["verify", "--database-url", url]);
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success(), "the hash chain: {said}");
    let stores = open(url).await.expect("the storage opens");
    let log = whole_log(&stores).await;
    let positions = log.iter().map(|event| event.position);
    assert!(positions.eq(1..=log.len() as i64), "positions have a gap");
    each_was_filed_as_sent(flights);
    each_flight_is_there_once(&log, flights);
    each_track_is_whole(&stores, flights).await;
    read_model_agrees(&stores, tenant_key).await;
    log.len() as i64
}

async fn whole_log(stores: &Stores) -> Vec<RecordedEvent> {
    let mut log: Vec<RecordedEvent> = Vec::new();
    loop {
        let last = log.last().map_or(0, |event| event.position);
        let page = stores.events.read_after(last, 5_000).await;
        let page = page.expect("the log can be read");
        if page.is_empty() {
            return log;
        }
        log.extend(page);
    }
}

fn each_flight_is_there_once(log: &[RecordedEvent], flights: &[Flight]) {
    let mut streams: BTreeMap<Uuid, Vec<(&str, i32, i64)>> = BTreeMap::new();
    for event in log {
        if let Some(("Pirep", name)) = event_name(event.kind) {
            let stream = streams.entry(event.stream_id).or_default();
            stream.push((name, event.version, event.position));
        }
    }
    for flight in flights {
        let position = |answer: &load::Answer| answer.position.expect("a write has a position");
        let expected = [
            ("PirepPrefiled", 1, position(&flight.filed)),
            ("PirepSubmitted", 2, position(&flight.submitted)),
        ];
        let found = streams.get(&flight.id).map(Vec::as_slice);
        assert_eq!(found.unwrap_or_default(), expected, "flight {}", flight.id);
    }
    let filed: BTreeSet<Uuid> = flights.iter().map(|flight| flight.id).collect();
    let strange = streams.keys().find(|id| !filed.contains(*id));
    assert_eq!(strange, None, "a flight that nobody filed");
}

async fn each_track_is_whole(stores: &Stores, flights: &[Flight]) {
    for flight in flights {
        for (batch, answer) in (1..).zip(&flight.batches) {
            let expected =
                json!({"stored": BATCH, "duplicates": 0, "lastSequence": batch * BATCH - 1});
            assert_eq!(answer.body, expected, "a batch is stored once");
        }
        let samples = stores.tracks.samples(flight.id, None, 1_000).await;
        let samples = samples.expect("the track can be read");
        let found = samples.iter().map(|it| (it.sequence, it.latitude_e7));
        let sent = (0..BATCHES * BATCH).map(|it| (it, (load::latitude(it) * 1e7).round() as i32));
        assert!(found.eq(sent), "the track of {} has a gap", flight.id);
    }
}

/// What the processes projected, crash after crash, is what one undisturbed pass over the log gives.
async fn read_model_agrees(stores: &Stores, tenant_key: [u8; 32]) {
    let tenant_key = TenantKey::new(&tenant_key);
    let keys = SubjectKeys::new(stores.events.clone(), tenant_key, Arc::new(SystemClock));
    let reader = EventReader::new(Arc::new(keys));
    let rebuilt = Arc::new(MemoryReadModel::new());
    let events = stores.events.clone();
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(Random));
    let projections = Projections::new(events, reader, rebuilt.clone(), clock, entropy);
    projections.prepare().await.expect("tables in memory");
    let head = stores.events.head().await.expect("the log can be read");
    for lane in Lane::ALL {
        // Followed from here, and not built.
        let guard = rebuilt.lock_lane(lane.name()).await;
        let guard = guard.expect("tables in memory").expect("nobody else");
        let reset = guard.reset(lane.tables(), head.epoch);
        reset.await.expect("tables in memory");
    }
    projections.catch_up().await.expect("the log can be read");
    let (living, rebuilt) = (rows(&*stores.read_model).await, rows(&*rebuilt).await);
    assert_eq!(living.len(), rebuilt.len(), "the list has as many rows");
    for (id, row) in &rebuilt {
        assert_eq!(living.get(id), Some(row), "the list agrees with the log");
    }
}

async fn rows(read_model: &dyn ReadModel) -> BTreeMap<(&'static str, Uuid), Row> {
    let mut all = BTreeMap::new();
    for table in tables::ALL {
        let query = Query {
            table,
            filters: Vec::new(),
            order_by: "id",
            descending: false,
            after: None,
            limit: 1_000_000,
        };
        let rows = read_model.list(query).await.expect("rows can be read");
        all.extend(rows.into_iter().map(|row| ((table.name, row.id), row)));
    }
    all
}
