//! An upgrade with another column of a table, and back, while pilots write and the earlier release goes on.

use std::process::Command;
use std::sync::Arc;

use albatross::adapters::{Stores, open};
use albatross::application::airline::Airline;
use albatross::application::projections::lane::Lane;
use albatross::application::projections::tables::{self, AIRCRAFT, BIDS, SCHEDULED_FLIGHTS};
use albatross::ports::event_store::{MAX_EVENTS_PER_APPEND, StoreError};
use albatross::ports::read_model::{
    Change, Checkpoint, Column, ColumnKind, CommitError, Filter, LaneGuard, LaneRows, Query,
    ReadModel, Rebuild, Row, Table,
};
use albatross_tests::parts::{PEPPER, PUBLIC_URL, TENANT_ID, TENANT_KEY, parts};
use albatross_tests::processes::{Process, albatross, free_port};
use albatross_tests::random::supervisor;
use albatross_tests::wait::{until, within};
use async_trait::async_trait;
use base64::prelude::{BASE64_STANDARD, Engine};
use rstest::rstest;
use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::fixture::*;
use crate::rebuild_live::{Living, Rows, command, expected, read, rows};

/// PIREPs as a release declared them that did not know the last column.
static PIREPS: Table = Table {
    name: "pireps",
    lane: tables::FLIGHTS,
    revision: 1,
    columns: &[
        column("state", ColumnKind::Text),
        column("pilot", ColumnKind::Uuid),
        column("created_at", ColumnKind::Integer),
        column("submitted_at", ColumnKind::Integer),
    ],
};
static FLIGHTS_TABLES: &[&Table] = &[&PIREPS, &AIRCRAFT, &SCHEDULED_FLIGHTS, &BIDS];

const fn column(name: &'static str, kind: ColumnKind) -> Column {
    Column { name, kind }
}

/// The table as that release knew it.
fn known(table: &'static Table) -> &'static Table {
    match table.name {
        "pireps" => &PIREPS,
        _ => table,
    }
}

fn known_row(table: &Table, mut row: Row) -> Row {
    row.values.truncate(known_width(table, row.values.len()));
    row
}

fn known_width(table: &Table, width: usize) -> usize {
    match table.name {
        "pireps" => PIREPS.columns.len(),
        _ => width,
    }
}

fn known_query(query: Query) -> Query {
    let table = known(query.table);
    Query { table, ..query }
}

fn known_changes(changes: Vec<Change>) -> Vec<Change> {
    let known = |change| match change {
        Change::Upsert(table, row) => Change::Upsert(known(table), known_row(table, row)),
        Change::Delete(table, id) => Change::Delete(known(table), id),
    };
    changes.into_iter().map(known).collect()
}

/// What the earlier release reads and writes.
struct Earlier(Arc<dyn ReadModel>);

struct EarlierGuard(Box<dyn LaneGuard>);

#[async_trait]
impl ReadModel for Earlier {
    async fn prepare(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        let tables: Vec<_> = tables.iter().map(|it| known(it)).collect();
        self.0.prepare(&tables).await
    }

    async fn keep(&self) -> Result<(), StoreError> {
        self.0.keep().await
    }

    async fn lock_lane(
        &self,
        lane: &'static str,
    ) -> Result<Option<Box<dyn LaneGuard>>, StoreError> {
        let guard = self.0.lock_lane(lane).await?;
        Ok(guard.map(|guard| Box::new(EarlierGuard(guard)) as Box<dyn LaneGuard>))
    }

    async fn checkpoint(&self, lane: &'static str) -> Result<Checkpoint, StoreError> {
        self.0.checkpoint(lane).await
    }

    async fn rows(&self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        self.0.rows(known(table), ids).await
    }

    async fn list(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        self.0.list(known_query(query)).await
    }

    async fn count(&self, table: &'static Table, filters: Vec<Filter>) -> Result<i64, StoreError> {
        self.0.count(known(table), filters).await
    }

    async fn rebuild(
        &self,
        lane: &'static str,
        tables: &'static [&'static Table],
    ) -> Result<Option<Box<dyn Rebuild>>, StoreError> {
        let tables = match lane {
            tables::FLIGHTS => FLIGHTS_TABLES,
            _ => tables,
        };
        let rebuild = self.0.rebuild(lane, tables).await?;
        Ok(rebuild.map(|rebuild| Box::new(EarlierRebuild(rebuild)) as Box<dyn Rebuild>))
    }
}

#[async_trait]
impl LaneRows for EarlierGuard {
    async fn rows(&mut self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        self.0.rows(known(table), ids).await
    }

    async fn list(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        self.0.list(known_query(query)).await
    }
}

#[async_trait]
impl LaneGuard for EarlierGuard {
    fn checkpoint(&self) -> Checkpoint {
        self.0.checkpoint()
    }

    async fn commit(
        self: Box<Self>,
        changes: Vec<Change>,
        checkpoint: Checkpoint,
    ) -> Result<(), CommitError> {
        self.0.commit(known_changes(changes), checkpoint).await
    }

    async fn reset(
        self: Box<Self>,
        tables: &[&'static Table],
        epoch: Uuid,
    ) -> Result<(), CommitError> {
        let tables: Vec<_> = tables.iter().map(|it| known(it)).collect();
        self.0.reset(&tables, epoch).await
    }
}

struct EarlierRebuild(Box<dyn Rebuild>);

#[async_trait]
impl LaneRows for EarlierRebuild {
    async fn rows(&mut self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        self.0.rows(known(table), ids).await
    }

    async fn list(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        self.0.list(known_query(query)).await
    }
}

#[async_trait]
impl Rebuild for EarlierRebuild {
    async fn write(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        self.0.write(known_changes(changes)).await
    }

    async fn index(&mut self) -> Result<(), StoreError> {
        self.0.index().await
    }

    async fn lock_lane(&mut self) -> Result<Checkpoint, StoreError> {
        self.0.lock_lane().await
    }

    async fn swap(self: Box<Self>, checkpoint: Checkpoint) -> Result<(), StoreError> {
        self.0.swap(checkpoint).await
    }
}

/// A process of the earlier release on the same database.
async fn earlier(storage: &Storage) -> Stores {
    let mut stores = open(&storage.url).await.unwrap();
    stores.read_model = Arc::new(Earlier(stores.read_model.clone()));
    stores
}

async fn airline(stores: &Stores) -> Arc<Airline> {
    let airline = Arc::new(Airline::new(parts(stores), stores.schema_version));
    airline.prepare().await.unwrap();
    airline
}

async fn shown(stores: &Stores) -> i64 {
    let count = stores.read_model.count(&tables::PIREPS, vec![]).await;
    count.unwrap()
}

fn as_earlier(rows: Rows) -> Rows {
    let rows = rows.into_iter();
    rows.map(|((name, id), row)| {
        let table = tables::ALL.iter().find(|it| it.name == name).unwrap();
        ((name, id), known_row(table, row))
    })
    .collect()
}

/// A process of this release beside others, with a reader who sees no row go.
struct Upgraded {
    stores: Stores,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<usize>>,
}

impl Upgraded {
    /// Ready, and never before it shows as much as the earlier release showed when it began.
    async fn begin(storage: &Storage, earlier: &Stores) -> Self {
        let stores = open(&storage.url).await.unwrap();
        let airline = airline(&stores).await;
        assert!(airline.ready().await.is_err(), "nothing is there yet");
        let before = shown(earlier).await;
        let (following, stop) = (airline.clone(), CancellationToken::new());
        let end = stop.clone();
        let following = tokio::spawn(async move {
            following.project(&supervisor(), &end).await;
            0
        });
        let reading = tokio::spawn(read(stores.read_model.clone(), stop.clone()));
        let tasks = vec![following, reading];
        until("it is ready", async || airline.ready().await.is_ok()).await;
        let now = shown(&stores).await;
        assert!(now >= before, "ready with {now} rows of {before}");
        Self {
            stores,
            stop,
            tasks,
        }
    }

    async fn end(self) -> Stores {
        self.stop.cancel();
        let ended = within("the upgrade", futures::future::join_all(self.tasks)).await;
        for task in ended {
            task.unwrap();
        }
        self.stores
    }
}

/// Makes the log so long that a lane is built beside, and not followed from the start.
async fn lengthen(storage: &Storage) {
    let mut long = append(Uuid::new_v4(), 0, MAX_EVENTS_PER_APPEND);
    for event in &mut long.events {
        (event.kind, event.payload) = (305, Vec::new());
    }
    storage.events.append(long).await.unwrap();
}

async fn grown(storage: &Storage, by: i64) {
    let head = storage.events.head().await.unwrap().position;
    until("flights were filed meanwhile", async || {
        storage.events.head().await.unwrap().position > head + by
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_upgrade_with_another_column_and_back_empties_nothing(
    #[values(Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let stores = earlier(&storage).await;
    // Its reader sees no row go, to the end.
    let living = Living::begin(&stores).await;
    lengthen(&storage).await;
    grown(&storage, 100).await;
    // Processes of this release that are killed before they serve: the executable builds the same tables.
    for part in 1..=4 {
        let mut process = command(&storage.url);
        // A moment of its own each time: there is nothing to wait for.
        tokio::time::sleep(std::time::Duration::from_millis(40 * part)).await;
        process.kill();
    }
    let upgraded = Upgraded::begin(&storage, &stores).await;
    // Both releases go on for a while.
    grown(&storage, 200).await;
    let later = upgraded.end().await;
    // This release is taken back: the earlier one has all that came meanwhile, and goes on.
    let back = airline(&earlier(&storage).await).await;
    until("it is ready again", async || back.ready().await.is_ok()).await;
    grown(&storage, 100).await;
    let filed = living.end().await;

    let expected = expected(&storage).await;
    let flights = expected.keys().filter(|(table, _)| *table == "pireps");
    assert_eq!(flights.count(), filed);
    let found = rows(&*stores.read_model).await;
    assert!(
        found == as_earlier(expected.clone()),
        "the earlier release's"
    );
    // And once more forth, from where it was.
    let again = airline(&later).await;
    assert!(shown(&later).await > 0, "it does not begin anew");
    again.begin().await.unwrap();
    assert!(rows(&*later.read_model).await == expected, "this release's");
}

/// Of a release that was away for long nothing is left: its tables are built beside, as after an upgrade.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_downgrade_after_long_is_an_upgrade(#[values(Sqlite, Postgres)] adapter: Adapter) {
    let storage = storage(adapter).await;
    let living = Living::begin(&storage).await;
    lengthen(&storage).await;
    grown(&storage, 100).await;
    let stores = earlier(&storage).await;
    let back = airline(&stores).await;
    assert_eq!(shown(&stores).await, 0);
    assert!(back.ready().await.is_err(), "nothing is there yet");
    let before = shown(&storage).await;
    back.begin().await.unwrap();
    assert!(shown(&stores).await >= before);
    living.end().await;
    back.begin().await.unwrap();
    let expected = expected(&storage).await;
    assert!(rows(&*stores.read_model).await == as_earlier(expected));
}

/// An event that this release cannot read is no reason to show nothing of what comes before it.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_cannot_be_built_whole_is_followed_as_far_as_it_goes(
    #[values(Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let living = Living::begin(&earlier(&storage).await).await;
    lengthen(&storage).await;
    grown(&storage, 100).await;
    let filed = living.end().await;
    let mut unknown = append(Uuid::new_v4(), 0, 1);
    unknown.events[0].kind = 32_000;
    storage.events.append(unknown).await.unwrap();
    let airline = airline(&storage).await;
    airline.begin().await.unwrap();
    assert_eq!(shown(&storage).await, filed as i64);
    for lane in airline.lanes().await.unwrap() {
        let head = storage.events.head().await.unwrap().position;
        assert_eq!((lane.position, lane.unbuilt), (head - 1, false), "{lane:?}");
    }
    assert!(
        airline
            .rebuild(Lane::Flights, &mut |_, _| {})
            .await
            .is_err()
    );
}

/// The command of a process of this release, and where it tells whether it is ready.
fn role(role: &str, storage: &Storage) -> (Command, String) {
    let ports = [0; 3].map(|_| format!("127.0.0.1:{}", free_port()));
    let mut command = albatross(&[role]);
    command
        .env("DATABASE_URL", &storage.url)
        .env("ALBATROSS_TENANT", "skyways")
        .env("ALBATROSS_TENANT_ID", TENANT_ID.to_string())
        .env("ALBATROSS_TENANT_KEY", BASE64_STANDARD.encode(TENANT_KEY))
        .env("ALBATROSS_PEPPER", BASE64_STANDARD.encode(PEPPER))
        .env("ALBATROSS_PUBLIC_URL", PUBLIC_URL)
        .env("ALBATROSS_LISTEN", &ports[0])
        .env("ALBATROSS_PROBE_LISTEN", &ports[1])
        .env("ALBATROSS_INTERNAL_LISTEN", &ports[2]);
    (command, format!("http://{}/readyz", ports[1]))
}

/// Whoever serves or works looks whether the tables of others are used.
#[rstest]
#[tokio::test]
async fn every_process_looks_after_the_tables(#[values("serve", "work")] name: &str) {
    let storage = storage(Postgres).await;
    airline(&earlier(&storage).await).await;
    let (command, _) = role(name, &storage);
    let _process = Process::start(command);
    let mut observer = PgConnection::connect(&storage.url).await.unwrap();
    let looks =
        "SELECT count(*) FROM read.checkpoints WHERE lane = 'flights unused' AND position > 0";
    until("the earlier release's lane is looked at", async || {
        let looks = sqlx::query_scalar::<_, i64>(looks).fetch_one(&mut observer);
        looks.await.unwrap() == 1
    })
    .await;
}

#[tokio::test]
async fn whoever_only_serves_a_database_without_lanes_says_what_is_missing_and_is_ready_once_it_is_there()
 {
    let storage = storage(Postgres).await;
    lengthen(&storage).await;
    let (mut command, ready) = role("serve", &storage);
    command.env("ALBATROSS_WORKER", "false");
    let mut serves = Process::start(command);
    serves.answers(&ready, 503).await;
    let told = reqwest::get(&ready).await.unwrap().text().await.unwrap();
    assert!(told.contains("by a process that works"), "{told}");
    let (command, _) = role("work", &storage);
    let _works = Process::start(command);
    serves.answers(&ready, 200).await;
}
