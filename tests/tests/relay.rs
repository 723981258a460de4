//! The relay loses nothing and keeps the order, whatever becomes of the broker; wake-ups reach the other processes.

#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use albatross::adapters::memory::{MemoryFeed, MemoryLog, MemoryReadModel, MemoryWakeUps};
use albatross::adapters::rabbitmq::RabbitFeed;
use albatross::adapters::{migrate, open};
use albatross::application::relay::{LANE, Relay, RelayMetrics};
use albatross::application::wake_ups;
use albatross::ports::event_bus::{Feed, FeedMessage, Hint, WakeUps};
use albatross::ports::event_store::{Append, EventStore, NewEvent, StoreError};
use albatross::ports::read_model::{Checkpoint, ReadModel};
use albatross_tests::proxy::{Mode, Proxy};
use albatross_tests::random::Random;
use albatross_tests::servers::servers;
use albatross_tests::wait::{recovered, until, until_in, within};
use async_trait::async_trait;
use lapin::options::BasicGetOptions;
use lapin::{Connection, ConnectionProperties};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use sqlx::{Connection as _, PgConnection};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

const EPOCH: Uuid = Uuid::from_u128(7);

struct Airline {
    events: Arc<dyn EventStore>,
    read_model: Arc<dyn ReadModel>,
}

impl Airline {
    fn new() -> Self {
        Self {
            events: Arc::new(MemoryLog::new(EPOCH)),
            read_model: Arc::new(MemoryReadModel::new()),
        }
    }

    /// Appends `count` events, one command each.
    async fn append(&self, count: u128) {
        for _ in 0..count {
            append(&*self.events).await;
        }
    }

    fn relay(&self, feed: Arc<dyn Feed>) -> DropGuard {
        let stop = CancellationToken::new();
        let relay = Relay {
            events: self.events.clone(),
            read_model: self.read_model.clone(),
            feed,
            entropy: Arc::new(Random),
            names: |_| Some(("Pirep", "PirepSubmitted")),
            metrics: RelayMetrics::default(),
        };
        let running = stop.clone();
        tokio::spawn(async move { relay.run(&running).await });
        stop.drop_guard()
    }

    async fn published(&self) -> i64 {
        self.read_model.checkpoint(LANE).await.unwrap().position
    }
}

async fn append(events: &dyn EventStore) {
    let position = events.head().await.unwrap().position;
    let id = Uuid::from_u128((u128::from(position.unsigned_abs()) + 1) << 64);
    let event = NewEvent {
        event_id: id,
        kind: 1,
        schema: 1,
        payload: vec![1],
    };
    let append = Append {
        command_id: id,
        stream_id: id,
        expected_version: 0,
        events: vec![event],
        causation_id: None,
        correlation_id: None,
        actor: "test".to_owned(),
        recorded_at: jiff::Timestamp::UNIX_EPOCH,
        claims: Vec::new(),
        request: None,
        credentials: Vec::new(),
        subject_keys: Vec::new(),
    };
    events.append(append).await.unwrap();
}

fn position(message: &FeedMessage) -> i64 {
    message.id.rsplit(':').next().unwrap().parse().unwrap()
}

/// Confirms as it likes: all, some from the front, or it fails, with some stored that it did not confirm.
struct Moody(Mutex<Mood>);

struct Mood {
    stored: Vec<FeedMessage>,
    random: StdRng,
    /// In a row: bounded, since the relay waits longer each time.
    failures: u32,
}

impl Moody {
    fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Mood {
            stored: Vec::new(),
            random: StdRng::seed_from_u64(seed),
            failures: 0,
        })))
    }

    fn positions(&self) -> Vec<i64> {
        self.0.lock().unwrap().stored.iter().map(position).collect()
    }
}

#[async_trait]
impl Feed for Moody {
    async fn publish(&self, messages: Vec<FeedMessage>) -> Result<usize, StoreError> {
        let mut mood = self.0.lock().unwrap();
        let stored = mood.random.random_range(0..=messages.len());
        let confirmed = mood.random.random_range(0..=stored);
        let fails = confirmed == 0 || mood.random.random_bool(0.3);
        if fails && mood.failures == 3 {
            mood.failures = 0;
            let count = messages.len();
            mood.stored.extend(messages);
            return Ok(count);
        }
        mood.stored.extend(messages.into_iter().take(stored));
        if fails {
            mood.failures += 1;
            return Err("the broker went away".into());
        }
        mood.failures = 0;
        Ok(confirmed)
    }
}

/// All of `1..=last`, each first seen after the one before it.
fn assert_complete(positions: &[i64], last: i64) {
    let mut next = 1;
    for position in positions {
        assert!(*position <= next, "{next} was skipped: {position} came");
        next = next.max(position + 1);
    }
    assert_eq!(next, last + 1);
}

/// Time passes only while nobody has anything to do.
#[tokio::test(start_paused = true)]
async fn what_is_appended_is_published_at_once_and_in_order() {
    let airline = Airline::new();
    airline.append(3).await;
    let feed = Arc::new(MemoryFeed::new());
    let mut messages = feed.subscribe();
    let _running = airline.relay(feed);
    for expected in 1..=3 {
        let message = within("a message", messages.recv()).await.unwrap();
        assert_eq!(position(&message), expected);
        assert_eq!(message.routing_key, "pirep.submitted");
    }
    let begin = Instant::now();
    airline.append(1).await;
    let message = within("a message", messages.recv()).await.unwrap();
    assert_eq!(position(&message), 4);
    assert!(begin.elapsed() < Duration::from_secs(1), "it was not woken");
}

#[tokio::test]
async fn a_broker_that_fails_in_every_way_loses_nothing() {
    let seeds = (0..50).map(async |seed| {
        let airline = Airline::new();
        let feed = Moody::new(seed);
        let _running = airline.relay(feed.clone());
        airline.append(40).await;
        until("everything is published", async || {
            airline.published().await == 40
        })
        .await;
        println!(
            "seed {seed}: {} messages for 40 events",
            feed.positions().len()
        );
        assert_complete(&feed.positions(), 40);
    });
    futures::future::join_all(seeds).await;
}

/// Of a clock that does not wait.
const HOURS: Duration = Duration::from_secs(10_000);

/// Takes a second for each event, and longer than anybody waits for many.
struct Slow(Arc<Moody>);

#[async_trait]
impl Feed for Slow {
    async fn publish(&self, messages: Vec<FeedMessage>) -> Result<usize, StoreError> {
        tokio::time::sleep(Duration::from_secs(messages.len() as u64)).await;
        let count = messages.len();
        self.0.0.lock().unwrap().stored.extend(messages);
        Ok(count)
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_too_slow_for_many_events_is_sent_few() {
    let airline = Airline::new();
    let feed = Arc::new(Slow(Moody::new(0)));
    airline.append(300).await;
    let _running = airline.relay(feed.clone());
    let published = async || airline.published().await == 300;
    until_in(HOURS, "everything is published", published).await;
    assert_complete(&feed.0.positions(), 300);
}

#[tokio::test]
async fn of_two_replicas_one_relays_and_the_other_takes_over() {
    let airline = Airline::new();
    let feed = Moody::new(1);
    let (one, _other) = (airline.relay(feed.clone()), airline.relay(feed.clone()));
    airline.append(100).await;
    drop(one);
    airline.append(100).await;
    until("everything is published", async || {
        airline.published().await == 200
    })
    .await;
    assert_complete(&feed.positions(), 200);
}

#[tokio::test]
async fn a_cursor_of_a_log_that_was_restored_says_nothing_about_this_one() {
    let airline = Airline::new();
    airline.append(5).await;
    let lane = airline.read_model.lock_lane(LANE).await.unwrap().unwrap();
    let before_the_restore = Checkpoint {
        epoch: Uuid::from_u128(6),
        position: 900,
    };
    lane.commit(Vec::new(), before_the_restore).await.unwrap();
    let feed = Arc::new(MemoryFeed::new());
    let mut messages = feed.subscribe();
    let _running = airline.relay(feed);
    let first = within("a message", messages.recv()).await.unwrap();
    assert_eq!(first.id, format!("{EPOCH}:1"));
}

#[tokio::test]
async fn while_rabbitmq_is_away_appends_go_on_and_the_backlog_drains_after() {
    let host = servers().await.virtual_host().await;
    let proxy = Proxy::before(&host.url).await;
    let airline = Airline::new();
    let feed = Arc::new(RabbitFeed::new(&proxy.url(&host.url)).unwrap());
    let _running = airline.relay(feed);
    airline.append(20).await;
    until("the first events are published", async || {
        airline.published().await == 20
    })
    .await;
    let connections = proxy.accepted();
    proxy.set(Mode::Refuse);
    airline.append(1).await;
    until("the relay finds the broker away", async || {
        proxy.accepted() > connections
    })
    .await;
    airline.append(699).await;
    assert!(airline.published().await < 720, "there is no broker");
    proxy.set(Mode::Pass);
    recovered("the backlog is published", async || {
        airline.published().await == 720
    })
    .await;

    let connection = Connection::connect(&host.url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut positions = Vec::new();
    let acknowledged = BasicGetOptions { no_ack: true };
    while let Some(message) = channel
        .basic_get("albatross.events".into(), acknowledged)
        .await
        .unwrap()
    {
        let body: serde_json::Value = serde_json::from_slice(&message.delivery.data).unwrap();
        positions.push(body["position"].as_i64().unwrap());
    }
    assert_complete(&positions, 720);
}

#[tokio::test]
async fn a_process_hears_of_what_another_appended_and_tells_it_no_further() {
    let hints: Arc<dyn WakeUps> = Arc::new(MemoryWakeUps::new());
    let mut heard = hints.subscribe();
    let stop = CancellationToken::new();
    // Each process has a handle of its own on the log; here a log of the same epoch, which knows hints only.
    let (one, other) = (
        Arc::new(MemoryLog::new(EPOCH)),
        Arc::new(MemoryLog::new(EPOCH)),
    );
    let mut woken = other.appended();
    for log in [one.clone(), other.clone()] {
        let (hints, stop) = (hints.clone(), stop.clone());
        tokio::spawn(async move { wake_ups::run(log, hints, &stop).await });
    }
    until("both listen", async || {
        hints
            .publish(Hint::Appended {
                epoch: EPOCH,
                position: 1,
            })
            .await;
        woken.borrow().position == 1 && one.appended().borrow().position == 1
    })
    .await;
    append(&*one).await;
    append(&*one).await;
    within("a wake-up", woken.wait_for(|head| head.position == 2))
        .await
        .unwrap();
    let unknown_epoch = Hint::Appended {
        epoch: Uuid::nil(),
        position: 99,
    };
    hints.publish(unknown_epoch.clone()).await;
    let mut of_two = 0;
    loop {
        match within("a hint", heard.recv()).await.unwrap() {
            hint if hint == unknown_epoch => break,
            Hint::Appended { position: 2, .. } => of_two += 1,
            _ => {}
        }
    }
    assert_eq!(
        of_two, 1,
        "a position is told by the process that appended it, once"
    );
    assert_eq!(woken.borrow().position, 2);
}

/// Positions begin anew below those that both processes know.
#[tokio::test]
async fn processes_wake_each_other_after_their_log_was_restored() {
    let database = servers().await.database().await;
    migrate(&database.url).await.unwrap();
    let hints: Arc<dyn WakeUps> = Arc::new(MemoryWakeUps::new());
    let stop = CancellationToken::new();
    let mut processes = Vec::new();
    for _ in 0..2 {
        let log = open(&database.url).await.unwrap().events;
        let (events, hints, stop) = (log.clone(), hints.clone(), stop.clone());
        processes.push(log);
        tokio::spawn(async move { wake_ups::run(events, hints, &stop).await });
    }
    let [one, other] = &processes[..] else {
        unreachable!()
    };
    let mut woken = other.appended();
    let before = woken.borrow().epoch;
    until("both listen", async || {
        append(&**one).await;
        woken.borrow().position > 2
    })
    .await;

    let mut storage = PgConnection::connect(&database.url).await.unwrap();
    let restore = "BEGIN; TRUNCATE log.events, log.log_chain; \
         UPDATE log.log_epoch SET epoch = gen_random_uuid(); COMMIT";
    sqlx::raw_sql(restore).execute(&mut storage).await.unwrap();
    // As every lane does from time to time.
    one.head().await.unwrap();
    append(&**one).await;
    let head = within("a wake-up", woken.wait_for(|head| head.epoch != before));
    head.await.unwrap();
    append(&**one).await;
    within("a wake-up", woken.wait_for(|head| head.position == 2))
        .await
        .unwrap();
}
