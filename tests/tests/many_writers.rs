//! Four processes write to one PostgreSQL database while a dump holds its snapshot: whoever reads skips nothing.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail, draw its ids, and ask its environment what it is to be"
)]

use std::env;
use std::process::{Output, Stdio};

use albatross::adapters::{chain, migrate, open};
use albatross::ports::event_store::{Append, AppendError, EventStore, NewEvent, RecordedEvent};
use albatross_tests::servers::servers;
use albatross_tests::wait::{until, within};
use futures::future::{join, join_all};
use sqlx::{Connection, PgConnection};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};
use uuid::Uuid;

/// Names the database to whoever is to write to it.
const WRITE_TO: &str = "ALBATROSS_TEST_WRITE_TO";
const NAME: &str = "positions_are_gapless_and_in_commit_order_across_processes";

const PROCESSES: usize = 4;
/// Of each process; each has a stream of its own.
const WRITERS: usize = 8;
const ROUNDS: i32 = 60;
/// All processes contend for this one.
const SHARED: Uuid = Uuid::from_u128(7);
const SHARED_ROUNDS: i32 = 40;
/// More than a pipe takes, so that the dump waits in the middle.
const BEFORE: usize = 800;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn positions_are_gapless_and_in_commit_order_across_processes() {
    if let Ok(url) = env::var(WRITE_TO) {
        return write(&url).await;
    }
    let url = servers().await.database().await.url;
    migrate(&url).await.unwrap();
    let events = open(&url).await.unwrap().events;
    append(&*events, Uuid::new_v4(), 0, BEFORE).await.unwrap();

    let dump = Dump::begin(&url).await;
    let writers: Vec<Child> = (0..PROCESSES).map(|_| writer(&url)).collect();
    let writing = join_all(writers.into_iter().map(Child::wait_with_output));
    let (polls, log, outputs) = read_while(&*events, writing).await;
    for output in outputs {
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", output.status);
    }
    let dumped = dump.end().await;
    assert_eq!(dumped, BEFORE, "the dump saw its snapshot and no more");

    assert_complete(&log);
    let verified = chain::verify(&*events).await.unwrap();
    assert_eq!(verified.events, log.len() as i64);
    assert!(verified.commits < verified.events, "appends share commits");
    println!(
        "{} events, {} commits, {polls} polls",
        verified.events, verified.commits
    );
}

/// What one of the processes does.
async fn write(url: &str) {
    let events = open(url).await.unwrap().events;
    let own = (0..WRITERS).map(|_| write_own_stream(&*events));
    join(join_all(own), write_shared_stream(&*events)).await;
}

async fn write_own_stream(events: &dyn EventStore) {
    let (stream, mut version) = (Uuid::new_v4(), 0);
    for round in 0..ROUNDS {
        let count = 1 + (round % 3) as usize;
        let visible = head(events).await;
        let position = append(events, stream, version, count).await.unwrap();
        assert!(
            position > visible,
            "{position} came after {visible} was visible"
        );
        version += count as i32;
    }
}

async fn write_shared_stream(events: &dyn EventStore) {
    let (mut version, mut written) = (0, 0);
    while written < SHARED_ROUNDS {
        match append(events, SHARED, version, 1).await {
            Ok(_) => {
                written += 1;
                version += 1;
            }
            Err(AppendError::Conflict { actual }) => version = actual,
            Err(other) => panic!("{other}"),
        }
    }
}

/// On a busy machine the pool may have no connection in time.
async fn head(events: &dyn EventStore) -> i64 {
    let mut position = None;
    until("the log answers", async || {
        position = events.head().await.ok().map(|head| head.position);
        position.is_some()
    })
    .await;
    position.unwrap()
}

/// The position of the last one; what is unavailable is repeated, as applications do.
async fn append(
    events: &dyn EventStore,
    stream_id: Uuid,
    expected_version: i32,
    count: usize,
) -> Result<i64, AppendError> {
    let event = || NewEvent {
        event_id: Uuid::new_v4(),
        kind: 1,
        schema: 1,
        payload: vec![0; 500],
    };
    let append = Append {
        command_id: Uuid::new_v4(),
        stream_id,
        expected_version,
        events: std::iter::repeat_with(event).take(count).collect(),
        causation_id: None,
        correlation_id: None,
        actor: "test".to_owned(),
        recorded_at: jiff::Timestamp::UNIX_EPOCH,
        claims: Vec::new(),
        request: None,
        credentials: Vec::new(),
        subject_keys: Vec::new(),
    };
    loop {
        match events.append(append.clone()).await {
            Err(AppendError::Unavailable(error)) => eprintln!("{error}"),
            outcome => return Ok(outcome?.position),
        }
    }
}

/// This very test once more, as a process of its own.
fn writer(url: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(WRITE_TO, url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

type Outputs = Vec<std::io::Result<Output>>;

/// Polls without pause until the writers have ended and everything has been read; a gap is never visible.
async fn read_while(
    events: &dyn EventStore,
    writing: impl Future<Output = Outputs>,
) -> (usize, Vec<RecordedEvent>, Outputs) {
    let (mut log, mut polls, mut outputs) = (Vec::new(), 0, None);
    tokio::pin!(writing);
    loop {
        let position = log.len() as i64;
        let page = tokio::select! {
            biased;
            page = events.read_after(position, 100) => page.unwrap(),
            ended = &mut writing, if outputs.is_none() => {
                outputs = Some(ended);
                continue;
            }
        };
        polls += 1;
        for (event, expected) in page.iter().zip(position + 1..) {
            assert_eq!(event.position, expected, "a gap was visible");
        }
        if page.is_empty()
            && let Some(outputs) = outputs
        {
            return (polls, log, outputs);
        }
        log.extend(page);
    }
}

/// Each stream's events are there once, in the order in which they were appended.
fn assert_complete(log: &[RecordedEvent]) {
    let own = PROCESSES * WRITERS * (ROUNDS as usize * 2);
    let shared = PROCESSES * SHARED_ROUNDS as usize;
    assert_eq!(log.len(), BEFORE + own + shared);
    let mut versions = std::collections::HashMap::new();
    for event in log {
        let version = versions.entry(event.stream_id).or_insert(0);
        *version += 1;
        assert_eq!(event.version, *version);
    }
    assert_eq!(versions[&SHARED], shared as i32);
    assert_eq!(versions.len(), 1 + PROCESSES * WRITERS + 1);
}

/// A `pg_dump` that has begun, and waits for somebody to read what it has to say.
struct Dump {
    process: Child,
    output: ChildStdout,
    observer: PgConnection,
    snapshot: Snapshot,
}

/// Backend and the oldest transaction that it holds on to.
type Snapshot = (i32, String);

impl Dump {
    async fn begin(url: &str) -> Self {
        let mut observer = PgConnection::connect(url).await.unwrap();
        let mut process = Command::new("pg_dump")
            .args(["--table", "log.events", "--data-only", "--dbname", url])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = process.stdout.take().unwrap();
        let mut found = None;
        until("the dump holds its snapshot", async || {
            found = snapshot(&mut observer).await;
            found.is_some()
        })
        .await;
        Self {
            process,
            output,
            observer,
            snapshot: found.unwrap(),
        }
    }

    /// How many events it holds.
    async fn end(mut self) -> usize {
        let held = snapshot(&mut self.observer).await;
        assert_eq!(held, Some(self.snapshot), "held all along");
        let mut text = String::new();
        let read = self.output.read_to_string(&mut text);
        within("the dump", read).await.unwrap();
        assert!(self.process.wait().await.unwrap().success());
        let rows = text.lines().skip_while(|line| !line.starts_with("COPY"));
        rows.skip(1).take_while(|line| *line != "\\.").count()
    }
}

async fn snapshot(observer: &mut PgConnection) -> Option<Snapshot> {
    let sql = "SELECT pid, backend_xmin::text FROM pg_stat_activity WHERE datname = current_database() \
         AND application_name = 'pg_dump' AND query LIKE 'COPY%' AND backend_xmin IS NOT NULL";
    sqlx::query_as(sql).fetch_optional(observer).await.unwrap()
}
