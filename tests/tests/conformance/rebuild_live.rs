//! A rebuild of a living airline: writers, lanes and readers go on, and nothing is lost or seen to go back.

use std::collections::BTreeMap;
use std::sync::Arc;

use albatross::adapters::memory::MemoryReadModel;
use albatross::adapters::system::SystemClock;
use albatross::adapters::{Stores, open};
use albatross::application::airline::Airline;
use albatross::application::events::EventReader;
use albatross::application::identity::Identity;
use albatross::application::pireps::{FilePirep, Submit};
use albatross::application::projections::lane::Lane;
use albatross::application::projections::rebuild::RebuildError;
use albatross::application::projections::{Projections, tables};
use albatross::application::subject_keys::SubjectKeys;
use albatross::application::users::Register;
use albatross::application::write::WriteOptions;
use albatross::codec::TenantKey;
use albatross::domain::actor::Person;
use albatross::domain::pirep::{Intent, Plan, Source, SourceKind};
use albatross::domain::roles::Role;
use albatross::ports::read_model::{Query, ReadModel, Row};
use albatross_tests::parts::{PEPPER, TENANT_ID, TENANT_KEY, parts};
use albatross_tests::processes::{Process, albatross};
use albatross_tests::random::{Random, supervisor};
use albatross_tests::wait::{until, within};
use base64::prelude::{BASE64_STANDARD, Engine};
use futures::future::join_all;
use rstest::rstest;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::fixture::*;

const WRITERS: usize = 4;

pub type Rows = BTreeMap<(&'static str, Uuid), Row>;

pub async fn rows(read_model: &dyn ReadModel) -> Rows {
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
        let rows = read_model.list(query).await.unwrap();
        all.extend(rows.into_iter().map(|row| ((table.name, row.id), row)));
    }
    all
}

/// What one undisturbed pass over the log gives.
pub async fn expected(storage: &Storage) -> Rows {
    let events = storage.events.clone();
    let keys = SubjectKeys::new(
        events.clone(),
        TenantKey::new(&TENANT_KEY),
        Arc::new(SystemClock),
    );
    let reader = EventReader::new(Arc::new(keys));
    let read_model = Arc::new(MemoryReadModel::new());
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(Random));
    let projections = Projections::new(events, reader, read_model.clone(), clock, entropy);
    projections.prepare().await.unwrap();
    let epoch = storage.events.head().await.unwrap().epoch;
    for lane in Lane::ALL {
        // Followed from here, and not built.
        let guard = read_model.lock_lane(lane.name()).await.unwrap().unwrap();
        guard.reset(lane.tables(), epoch).await.unwrap();
    }
    projections.catch_up().await.unwrap();
    rows(&*read_model).await
}

/// A living airline: its lanes follow the log, pilots file flights and readers look, until it is stopped.
pub struct Living {
    pub airline: Arc<Airline>,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<usize>>,
}

impl Living {
    pub async fn begin(storage: &Stores) -> Self {
        let airline = Arc::new(Airline::new(parts(storage), storage.schema_version));
        airline.prepare().await.unwrap();
        let stop = CancellationToken::new();
        let mut tasks = Vec::new();
        let (following, end) = (airline.clone(), stop.clone());
        tasks.push(tokio::spawn(async move {
            following.project(&supervisor(), &end).await;
            0
        }));
        for n in 0..WRITERS {
            let pilot = pilot(&airline, n).await;
            tasks.push(tokio::spawn(write(airline.clone(), pilot, stop.clone())));
        }
        let read_model = storage.read_model.clone();
        tasks.push(tokio::spawn(read(read_model, stop.clone())));
        Self {
            airline,
            stop,
            tasks,
        }
    }

    /// How many flights were filed.
    pub async fn end(self) -> usize {
        self.stop.cancel();
        let done = within("the airline", join_all(self.tasks)).await;
        self.airline.catch_up().await.unwrap();
        done.into_iter().map(Result::unwrap).sum()
    }
}

async fn pilot(airline: &Airline, n: usize) -> Identity {
    let new = Register {
        email: format!("pilot{n}@skyways.example"),
        display_name: format!("Pilot {n}"),
        password: Some("correct horse battery staple".to_owned().into()),
    };
    let registered = airline.users.register(None, new, WriteOptions::default());
    Identity {
        person: Person {
            id: registered.await.unwrap().entity.user.id,
            roles: Role::Pilot.into(),
            key: None,
        },
        suspended: false,
        session: None,
    }
}

async fn write(airline: Arc<Airline>, pilot: Identity, stop: CancellationToken) -> usize {
    let text = |text: &str| Some(text.to_owned());
    let mut filed = 0;
    while !stop.is_cancelled() {
        let flight = FilePirep {
            intent: Intent::Prefile,
            source: Source {
                kind: SourceKind::Acars,
                client: text("test 1.0"),
            },
            plan: Plan {
                flight_number: text("SKY1"),
                departure: text("LIRF"),
                arrival: text("LLBG"),
                aircraft_type: text("B744"),
                ..Plan::default()
            },
            report: None,
            remarks: None,
            custom_fields: None,
            bid: None,
            scheduled_flight: None,
        };
        let (pireps, options) = (&airline.pireps, WriteOptions::default);
        let id = pireps
            .create(&pilot, flight, options())
            .await
            .unwrap()
            .entity
            .id;
        pireps
            .submit(&pilot, id, Submit::default(), options())
            .await
            .unwrap();
        filed += 1;
        // In memory nobody ever waits.
        tokio::task::yield_now().await;
    }
    filed
}

/// Looks without a pause: tables are always there, and neither rows nor checkpoint ever go back.
pub async fn read(read_model: Arc<dyn ReadModel>, stop: CancellationToken) -> usize {
    let (mut position, mut count) = (0, 0);
    while !stop.is_cancelled() {
        let now = read_model
            .checkpoint(tables::FLIGHTS)
            .await
            .unwrap()
            .position;
        assert!(now >= position, "{now} came after {position}");
        let rows = read_model.count(&tables::PIREPS, vec![]).await.unwrap();
        assert!(rows >= count, "{rows} rows came after {count}");
        (position, count) = (now, rows);
        tokio::task::yield_now().await;
    }
    0
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rebuild_while_appends_go_on_loses_nothing(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let living = Living::begin(&storage).await;
    let (mut shown, mut last) = (0, 0);
    for _ in 0..5 {
        until("flights were filed meanwhile", async || {
            storage.events.head().await.unwrap().position > last
        })
        .await;
        for lane in Lane::ALL {
            let mut watch = |done, of| {
                assert!(done <= of);
                shown += 1;
            };
            let position = living.airline.rebuild(lane, &mut watch).await.unwrap();
            if lane == Lane::Flights {
                assert!(position > last, "it ends where the log does");
                last = position;
            }
        }
    }
    assert!(shown > 0, "progress is shown");
    let filed = living.end().await;
    let (found, expected) = (rows(&*storage.read_model).await, expected(&storage).await);
    assert!(found == expected, "rows differ from one pass over the log");
    let flights = found.keys().filter(|(table, _)| *table == "pireps");
    assert_eq!(flights.count(), filed);
}

pub fn command(url: &str) -> Process {
    let (id, key) = (TENANT_ID.to_string(), BASE64_STANDARD.encode(TENANT_KEY));
    let pepper = BASE64_STANDARD.encode(PEPPER);
    let mut command = albatross(&["rebuild", "--tenant", "skyways", "--tenant-id", &id]);
    command.args([
        "--tenant-key",
        &key,
        "--pepper",
        &pepper,
        "--database-url",
        url,
    ]);
    Process::start(command)
}

/// The executable beside processes that serve: killed at whatever moment it changes nothing, and in the end it rebuilds.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_rebuild_changes_nothing_and_is_no_obstacle(
    #[values(Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let living = Living::begin(&storage).await;
    let whole = within("a rebuild", async {
        let begun = std::time::Instant::now();
        let ended = command(&storage.url).ended().await;
        assert!(ended.status.success(), "{}", ended.stderr);
        assert!(
            ended.stdout.contains("flights are rebuilt, up to position"),
            "{}",
            ended.stdout
        );
        // Nobody looks at a terminal.
        for lane in Lane::ALL {
            let whole = format!("rebuilding {} 100 %", lane.name());
            assert!(ended.stderr.contains(&whole), "{}", ended.stderr);
        }
        begun.elapsed()
    })
    .await;
    for part in 1..=8 {
        let mut process = command(&storage.url);
        // A moment of its own each time: there is nothing to wait for.
        tokio::time::sleep(whole * part / 8).await;
        process.kill();
    }
    // PostgreSQL learns that a client is gone once it has done what it was asked to.
    until("what was killed has let go", async || {
        let ended = command(&storage.url).ended().await;
        let held = ended.stderr.contains("another rebuild is under way");
        assert!(ended.status.success() || held, "{}", ended.stderr);
        !held
    })
    .await;
    living.end().await;
    let (found, expected) = (rows(&*storage.read_model).await, expected(&storage).await);
    assert!(found == expected, "rows differ from one pass over the log");
}

#[rstest]
#[tokio::test]
async fn a_second_rebuild_is_told_of_the_first(#[values(Sqlite, Postgres)] adapter: Adapter) {
    let storage = storage(adapter).await;
    let airline = Airline::new(parts(&storage), storage.schema_version);
    airline.prepare().await.unwrap();
    let first = storage
        .read_model
        .rebuild(tables::PEOPLE, tables::PEOPLE_TABLES);
    let first = first.await.unwrap().unwrap();
    let second = airline.rebuild(Lane::Flights, &mut |_, _| {}).await;
    assert!(matches!(second, Err(RebuildError::UnderWay)), "{second:?}");
    let ended = command(&storage.url).ended().await;
    assert!(!ended.status.success());
    assert!(
        ended.stderr.contains("another rebuild is under way"),
        "{}",
        ended.stderr
    );
    drop(first);
    until("the lock is free", async || {
        airline.rebuild(Lane::Flights, &mut |_, _| {}).await.is_ok()
    })
    .await;
}

/// As `albatross erase` and `up` do, whoever else is there.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_catches_up_beside_one_that_projects(
    #[values(Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let living = Living::begin(&storage).await;
    let stores = open(&storage.url).await.unwrap();
    let beside = Airline::new(parts(&stores), stores.schema_version);
    beside.prepare().await.unwrap();
    for _ in 0..100 {
        let head = storage.events.head().await.unwrap().position;
        beside.catch_up().await.unwrap();
        let lanes = beside.lanes().await.unwrap();
        assert!(lanes.iter().all(|lane| lane.position >= head), "{lanes:?}");
    }
    living.end().await;
    assert!(rows(&*stores.read_model).await == expected(&storage).await);
}
