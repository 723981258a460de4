//! Reading the log forward and rebuilding the read model from it, beside a raw scan of the table; and how soon an event is seen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use albatross::adapters::system::SystemEntropy;
use albatross::adapters::{Stores, migrate, open};
use albatross::application::airline::Airline;
use albatross::application::identity::Identity;
use albatross::application::pireps::{Accept, Submit};
use albatross::application::projections::lane::Lane;
use albatross::application::projections::tables::FLIGHTS;
use albatross::application::write::WriteOptions;
use albatross::domain::pirep::Credit;
use albatross::ports::supervisor::Supervisor;
use albatross_tests::servers::servers;
use futures::{StreamExt, TryStreamExt};
use sqlx::{Connection, PgConnection, Row};
use tokio_util::sync::CancellationToken;

use crate::table::{Bar, Table};
use crate::{Effort, airline, peers};

const PIREPS: usize = 10_000;
const AT_ONCE: usize = 64;
/// What a projection reads at once.
const PAGE: usize = 1_000;

pub async fn measure(table: &mut Table, effort: Effort) {
    let database = servers().await.database().await;
    assert!(migrate(&database.url).await.unwrap() > 0);
    let stores = open(&database.url).await.unwrap();
    let airline = airline::over(&stores).await;
    let pilot = airline::pilot(&airline, "bob").await;
    let reviewer = airline::reviewer(&airline, "alice").await;
    fly(&airline, &pilot, &reviewer).await;
    airline.catch_up().await.unwrap();
    let peer = peers::replaying().await;
    let size = size(&database.url).await;
    let [mut scans, mut reads, mut rebuilds, mut replays] = [const { Vec::new() }; 4];
    for _ in 0..effort.rounds {
        scans.push(scan(&database.url).await);
        reads.push(read(&stores).await);
        rebuilds.push(rebuild(&airline).await);
        if let Some(peer) = &peer {
            replays.push(peer.replay(size).await);
        }
    }
    let bar = Bar::AtLeast(0.55);
    let what = "reading the log forward ÷ raw SELECT scan";
    table.beside(what, [&reads, &scans], "events/s", bar);
    if let Some(peer) = peer {
        let what = format!("reading the log forward ÷ {}, replay", peer.name);
        table.beside(&what, [&reads, &replays], "events/s", Bar::AtLeast(2.0));
    }
    let bar = Bar::AtLeast(0.2);
    let what = "rebuild of the PIREP read model ÷ raw SELECT scan";
    table.beside(what, [&rebuilds, &scans], "events/s", bar);
}

/// Flights from the prefiled plan to the verdict, many at once.
async fn fly(airline: &Airline, pilot: &Identity, reviewer: &Identity) {
    let flights = futures::stream::iter(0..PIREPS).map(|_| whole(airline, pilot, reviewer));
    let flown: Vec<()> = flights.buffer_unordered(AT_ONCE).collect().await;
    assert_eq!(flown.len(), PIREPS);
}

async fn whole(airline: &Airline, pilot: &Identity, reviewer: &Identity) {
    let pireps = &airline.pireps;
    let created = pireps.create(pilot, airline::flight(), WriteOptions::default());
    let id = created.await.unwrap().entity.id;
    let submit = Submit {
        report: None,
        remarks: None,
        custom_fields: None,
        last_sequence: None,
    };
    let submit = pireps.submit(pilot, id, submit, WriteOptions::default());
    let seen = WriteOptions {
        if_match: Some(submit.await.unwrap().version),
        ..WriteOptions::default()
    };
    let accept = Accept {
        credit: Credit::Full,
        comment: None,
    };
    let accept = pireps.accept(reviewer, id, accept, seen);
    accept.await.unwrap();
}

/// How many events the log has, and how many bytes the payload of one has in the mean.
async fn size(url: &str) -> [u64; 2] {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let sql = "SELECT count(*), avg(octet_length(payload))::bigint FROM log.events";
    let read = sqlx::query_as::<_, (i64, i64)>(sql);
    let (events, bytes) = read.fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    [events, bytes].map(|it| it.try_into().unwrap())
}

/// Rows a second that the driver gives when nobody decodes them.
async fn scan(url: &str) -> f64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let begun = Instant::now();
    let mut rows = sqlx::query("SELECT * FROM log.events ORDER BY position").fetch(&mut connection);
    let (mut count, mut bytes) = (0, 0);
    while let Some(row) = rows.try_next().await.unwrap() {
        count += 1;
        bytes += row.get::<&[u8], _>("payload").len();
    }
    assert!(bytes > 0);
    f64::from(count) / begun.elapsed().as_secs_f64()
}

async fn read(stores: &Stores) -> f64 {
    let begun = Instant::now();
    let (mut position, mut count) = (0, 0);
    loop {
        let events = stores.events.read_after(position, PAGE).await.unwrap();
        let Some(last) = events.last() else {
            return f64::from(count) / begun.elapsed().as_secs_f64();
        };
        position = last.position;
        count += events.len() as u32;
    }
}

/// What `albatross rebuild` does to the lane of flights.
async fn rebuild(airline: &Airline) -> f64 {
    let begun = Instant::now();
    let position = airline
        .rebuild(Lane::Flights, &mut |_, _| {})
        .await
        .unwrap();
    position as f64 / begun.elapsed().as_secs_f64()
}

const PER_SECOND: usize = 1_000;
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// From the answer to a command until its event is in the read model.
pub async fn visible(table: &mut Table, effort: Effort) {
    let database = servers().await.database().await;
    assert!(migrate(&database.url).await.unwrap() > 0);
    let stores = open(&database.url).await.unwrap();
    let airline = airline::over(&stores).await;
    let pilot = Arc::new(airline::pilot(&airline, "bob").await);
    airline.catch_up().await.unwrap();
    let projecting = tokio::spawn({
        let airline = airline.clone();
        async move {
            let supervisor = Supervisor::new(Arc::new(SystemEntropy));
            airline
                .project(&supervisor, &CancellationToken::new())
                .await
        }
    });
    let count = PER_SECOND * effort.each.as_secs().max(1) as usize * effort.rounds;
    let (done, commits) = tokio::sync::mpsc::unbounded_channel();
    let watching = tokio::spawn(watch(stores.clone(), commits, count));
    let begun = Instant::now();
    for n in 0..count {
        let due = begun + Duration::from_secs_f64(n as f64 / PER_SECOND as f64);
        tokio::time::sleep_until(due.into()).await;
        let (airline, pilot, done) = (airline.clone(), pilot.clone(), done.clone());
        tokio::spawn(async move {
            let pireps = &airline.pireps;
            let filed = pireps.create(&pilot, airline::flight(), WriteOptions::default());
            let position = filed.await.unwrap().position;
            done.send((position, Instant::now())).unwrap();
        });
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    let mut delays = watching.await.unwrap();
    projecting.abort();
    delays.sort_unstable();
    let p99 = delays[delays.len() * 99 / 100].as_secs_f64() * 1e3;
    let what = format!("commit → visible in the read model, p99 at {rate:.0} PIREPs/s");
    table.figure(&what, p99, "ms", Bar::AtMost(50.0));
}

/// How long after its commit each position was seen in the read model.
async fn watch(
    stores: Stores,
    mut commits: tokio::sync::mpsc::UnboundedReceiver<(i64, Instant)>,
    count: usize,
) -> Vec<Duration> {
    let (mut delays, mut waiting) = (Vec::with_capacity(count), Vec::new());
    while delays.len() < count {
        while let Ok(commit) = commits.try_recv() {
            waiting.push(commit);
        }
        let checkpoint = stores.read_model.checkpoint(FLIGHTS).await.unwrap();
        let now = Instant::now();
        let seen = waiting.extract_if(.., |(position, _)| *position <= checkpoint.position);
        delays.extend(seen.map(|(_, committed)| now.saturating_duration_since(committed)));
        tokio::time::sleep(LOOK_EVERY).await;
    }
    delays
}
