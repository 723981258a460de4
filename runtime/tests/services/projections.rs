//! Projections: the same rows however the log is delivered, and what happens when it cannot be read.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use albatross::adapters::memory::{self, MemoryReadModel};
use albatross::application::api_keys::NewKey;
use albatross::application::error::ServiceError;
use albatross::application::events::EventReader;
use albatross::application::identity::Identity;
use albatross::application::paging::Page;
use albatross::application::pirep_queries::PirepFilter;
use albatross::application::pireps::{Accept, FilePirep, Reject, Submit};
use albatross::application::projections::lane::Lane;
use albatross::application::projections::rebuild::RebuildError;
use albatross::application::projections::{Projections, tables};
use albatross::application::subject_keys::SubjectKeys;
use albatross::application::users::Register;
use albatross::application::write::WriteOptions;
use albatross::codec::TenantKey;
use albatross::domain::ids::{PirepId, ScheduledFlightId, UserId};
use albatross::domain::pirep::{Credit, PirepCommand};
use albatross::domain::roles::{Role, Scope, Scopes};
use albatross::domain::tenant::Settings;
use albatross::ports::event_store::{Append, EventStore, NewEvent};
use albatross::ports::read_model::{Change, Checkpoint, ReadModel, Row, Value};
use jiff::{SignedDuration, Timestamp};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::catalogue::{self, keeper};
use crate::desired::{self, Operator, apply};
use crate::faulty_lists::{FaultyLists, Trouble};
use crate::faulty_log::FaultyLog;
use crate::stage::*;

/// Something that happens to one of a few flights of one of a few people, to its pilot or to the airline.
type Step = (usize, usize);
/// How many things may happen.
const ACTIONS: usize = 18;

/// Projections of a log into a read model of their own.
fn beside(stage: &Stage, events: Arc<dyn EventStore>) -> (Projections, Arc<MemoryReadModel>) {
    let read_model = Arc::new(MemoryReadModel::new());
    let keys = SubjectKeys::new(
        events.clone(),
        TenantKey::new(&[9; 32]),
        stage.clock.clone(),
    );
    let reader = EventReader::new(Arc::new(keys));
    let projections = Projections::new(
        events,
        reader,
        read_model.clone(),
        stage.clock.clone(),
        Arc::new(Randomness),
    );
    (projections, read_model)
}

/// Follows a whole log.
async fn followed(
    stage: &Stage,
    events: Arc<dyn EventStore>,
    batch: usize,
) -> Vec<(&'static str, Row)> {
    let (projections, read_model) = beside(stage, events);
    let projections = projections.with_batch(batch);
    projections.prepare().await.unwrap();
    projections.catch_up().await.unwrap();
    rows(&*read_model).await
}

/// Rebuilds from a whole log.
async fn rebuilt(
    stage: &Stage,
    events: Arc<dyn EventStore>,
    batch: usize,
    rows_in_memory: usize,
) -> Vec<(&'static str, Row)> {
    let (projections, read_model) = beside(stage, events.clone());
    let projections = projections
        .with_batch(batch)
        .with_rows_in_memory(rows_in_memory);
    projections.prepare().await.unwrap();
    let head = events.head().await.unwrap();
    for lane in Lane::ALL {
        let position = projections.rebuild(lane, &mut |_, _| {}).await.unwrap();
        assert_eq!(position, head.position);
        let checkpoint = read_model.checkpoint(lane.name()).await.unwrap();
        assert_eq!(
            checkpoint,
            Checkpoint {
                epoch: head.epoch,
                position
            }
        );
    }
    rows(&*read_model).await
}

/// A flight that this pilot has booked.
async fn booked(stage: &Stage, pilot: &Identity, scheduled: ScheduledFlightId) -> PirepId {
    let options = WriteOptions::default;
    let bidding = &stage.airline.bidding;
    let made = bidding.make(pilot, scheduled, options()).await.unwrap();
    let new = FilePirep {
        bid: Some(made.entity.id),
        ..flight("ELY386")
    };
    let filed = stage.airline.pireps.create(pilot, new, options()).await;
    filed.unwrap().entity.id
}

async fn issue(stage: &Stage, owner: &Identity, name: &str) -> Result<(), ServiceError> {
    let new = NewKey {
        name: name.to_owned(),
        scopes: Scopes::from([Scope::PirepsRead]),
        expires_at: None,
    };
    let keys = &stage.airline.api_keys;
    let issued = keys.issue(owner, owner.user(), new, WriteOptions::default());
    issued.await.map(drop)
}

/// What the operator wishes the `number`-th time: another name of the airline, an admin and a key that come, change and go.
async fn wish(stage: &Stage, operator: &Operator, number: usize, which: usize) {
    let name = format!("Ada {number}");
    let admin = json!({"email": email("Ada"), "displayName": name, "role": "TenantAdmin"});
    let scopes = &["pireps:read", "pireps:write"][which % 2..];
    let key = operator.key(json!({"scopes": scopes}));
    let (admins, keys) = match which {
        0 | 1 => (vec![admin], vec![key]),
        2 => (vec![admin], Vec::new()),
        _ => (Vec::new(), vec![key]),
    };
    let mut state = desired::state(number.try_into().unwrap(), admins, keys);
    state.tenant.display_name = format!("Skyways {number}");
    apply(stage, state).await;
}

/// Something that happens to a pilot's account.
async fn administer(
    stage: &Stage,
    (action, which): Step,
    pilot: &Identity,
) -> Result<(), ServiceError> {
    let (users, keys) = (&stage.airline.users, &stage.airline.api_keys);
    let host = somebody(UserId(Uuid::nil()), &[Role::TenantAdmin]);
    let (user, options) = (pilot.user(), WriteOptions::default());
    match action {
        11 => issue(stage, pilot, "desktop").await,
        12 => {
            let own = keys.list(pilot, user).await?;
            let Some(key) = own.get(which % own.len().max(1)) else {
                return Ok(());
            };
            let revoked = keys.revoke(pilot, user, key.id.as_str(), options);
            revoked.await.map(drop)
        }
        13 => {
            let roles = &[Role::Pilot, Role::Reviewer][..=which % 2];
            let roles = roles.iter().copied().collect();
            let changed = users.set_roles(&host, user, roles, options);
            changed.await.map(drop)
        }
        14 => {
            let suspended = users.suspend(&host, user, "late".to_owned(), options);
            suspended.await.map(drop)
        }
        _ => users.reinstate(&host, user, options).await.map(drop),
    }
}

/// The airline's own admin chooses another colour.
async fn paint(stage: &Stage, which: usize) {
    let version = stage.airline.tenant().await.unwrap().unwrap().version;
    let settings = Settings {
        accent_color: Some(format!("#00000{which}")),
        ..Settings::default()
    };
    let lists = &stage.airline.lists;
    let set = lists.set_settings(keeper(), settings, seen(version));
    set.await.unwrap();
}

/// Lives through the steps; what the rules refuse does not happen.
async fn live(stage: &Stage, steps: &[Step]) {
    let operator = Operator::new();
    wish(stage, &operator, 1, 0).await;
    let bob = stage.pilot("Bob").await;
    let eve = stage.pilot("Eve").await;
    let rita = [Role::Pilot, Role::Reviewer];
    let rita = stage.person("Rita", &rita).await;
    issue(stage, &rita, "at home").await.unwrap();
    let (fleet, schedule) = (&stage.airline.aircraft, &stage.airline.schedule);
    let mut aircraft = Vec::new();
    for registration in ["4X-ELC", "4X-ELD"] {
        let details = catalogue::aircraft(registration);
        let added = fleet.add(keeper(), details, WriteOptions::default());
        aircraft.push(added.await.unwrap().entity.id);
    }
    let details = catalogue::scheduled("ELY386");
    let added = schedule.add(keeper(), details.clone(), WriteOptions::default());
    let scheduled = added.await.unwrap().entity.id;
    let pilots = [&bob, &eve];
    let bidding = &stage.airline.bidding;
    let mut flights = Vec::new();
    for pilot in pilots {
        flights.push((pilot, stage.prefiled(pilot).await.entity.id));
        flights.push((pilot, booked(stage, pilot, scheduled.into()).await));
    }
    let pireps = &stage.airline.pireps;
    for (index, (action, flight)) in steps.iter().enumerate() {
        let (pilot, id) = flights[flight % flights.len()];
        let options = WriteOptions::default;
        let version = async || {
            stage.airline.catch_up().await.unwrap();
            pireps.get(pilot, id).await.unwrap().version
        };
        let done = match action {
            0 => pireps.act(pilot, id, PirepCommand::Pause, options()).await,
            1 => pireps.act(pilot, id, PirepCommand::Resume, options()).await,
            2 => pireps.submit(pilot, id, Submit::default(), options()).await,
            3 => {
                pireps
                    .act(
                        pilot,
                        id,
                        PirepCommand::Cancel {
                            reason: Some("weather".to_owned()),
                        },
                        options(),
                    )
                    .await
            }
            4 => {
                pireps
                    .act(pilot, id, PirepCommand::Restore, options())
                    .await
            }
            5 => {
                let accept = Accept {
                    credit: Credit::Full,
                    comment: Some("fine".to_owned()),
                };
                pireps
                    .accept(&rita, id, accept, seen(version().await))
                    .await
            }
            6 => {
                let reject = Reject {
                    reason: "no".to_owned(),
                    credit: Credit::None,
                };
                pireps
                    .reject(&rita, id, reject, seen(version().await))
                    .await
            }
            7 => {
                let id = aircraft[flight % 2];
                let done = match flight / 2 {
                    0 => fleet.archive(keeper(), id, options()).await,
                    _ => fleet.restore(keeper(), id, options()).await,
                };
                done.unwrap();
                continue;
            }
            9 => {
                stage.airline.catch_up().await.unwrap();
                match bidding.list(pilot).await.unwrap().first() {
                    Some(bid) => {
                        let withdrawn = bidding.withdraw(pilot, bid.id, options()).await;
                        withdrawn.unwrap();
                    }
                    None => {
                        let made = bidding.make(pilot, scheduled.into(), options()).await;
                        made.unwrap();
                    }
                }
                continue;
            }
            8 => {
                let present = schedule.current(scheduled).await.unwrap();
                let options = seen(present.version);
                let mut details = details.clone();
                details.block_time_min = i32::try_from(*flight).ok();
                let changed = schedule.change(keeper(), present, details, options);
                changed.await.unwrap();
                continue;
            }
            10 => {
                let host = somebody(UserId(Uuid::nil()), &[Role::TenantAdmin]);
                let erasure = &stage.airline.erasure;
                erasure.erase(&host, pilot.user(), options()).await.unwrap();
                continue;
            }
            16 => {
                stage.airline.catch_up().await.unwrap();
                paint(stage, *flight).await;
                continue;
            }
            17 => {
                wish(stage, &operator, index + 2, *flight).await;
                continue;
            }
            _ => {
                let done = administer(stage, (*action, *flight), pilot).await;
                assert!(
                    matches!(done, Ok(()) | Err(ServiceError::Refused(_))),
                    "{done:?}"
                );
                continue;
            }
        };
        assert!(
            matches!(done, Ok(_) | Err(ServiceError::Refused(_))),
            "{done:?}"
        );
    }
    stage.airline.catch_up().await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn live_is_rebuild_is_any_batch_split_is_duplicated_delivery(
        steps in prop::collection::vec((0..ACTIONS, 0_usize..4), 0..40),
        batch in 1_usize..20,
        again in 0_i64..5,
        in_memory in 0_usize..6,
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let stage = Stage::new().await;
            live(&stage, &steps).await;
            let expected = rows(&*stage.stores.read_model).await;
            for table in tables::PEOPLE_TABLES {
                let held = expected.iter().any(|(name, _)| *name == table.name);
                assert!(held, "{} is not compared", table.name);
            }
            let log = stage.stores.events.clone();
            assert_eq!(followed(&stage, log.clone(), 5_000).await, expected);
            assert_eq!(followed(&stage, log.clone(), batch).await, expected);
            assert_eq!(rebuilt(&stage, log.clone(), 5_000, 5_000).await, expected);
            assert_eq!(rebuilt(&stage, log.clone(), batch, in_memory).await, expected);
            let twice = FaultyLog::new(log);
            twice.again.store(again, Ordering::Relaxed);
            assert_eq!(followed(&stage, twice.clone(), batch).await, expected);
            assert_eq!(rebuilt(&stage, twice, batch, in_memory).await, expected);
        });
    }
}

async fn faulty_stage() -> (Stage, Arc<FaultyLog>) {
    let stores = memory::open();
    let log = FaultyLog::new(stores.events.clone());
    (Stage::over(stores, log.clone()).await, log)
}

/// The next event of the log cannot be read, and is a flight's.
async fn poisoned() -> (Stage, Arc<FaultyLog>, Identity, PirepId) {
    let (stage, log) = faulty_stage().await;
    let bob = stage.pilot("Bob").await;
    stage.prefiled(&bob).await;
    let poisoned = log.inner.head().await.unwrap().position + 1;
    log.poisoned.store(poisoned, Ordering::Relaxed);
    let pireps = &stage.airline.pireps;
    let after = pireps
        .create(&bob, flight("SKY2"), WriteOptions::default())
        .await
        .unwrap();
    assert_eq!(after.position, poisoned);
    let stopped = stage.airline.catch_up().await;
    assert!(
        matches!(stopped, Err(ServiceError::Corrupt(_))),
        "{stopped:?}"
    );
    (stage, log, bob, after.entity.id)
}

#[tokio::test]
async fn an_event_that_cannot_be_read_stops_its_lane_and_no_other() {
    let (stage, log, bob, after) = poisoned().await;
    let poisoned = log.poisoned.load(Ordering::Relaxed);
    let registered = Register {
        email: email("Eve"),
        display_name: "Eve".to_owned(),
        password: Some(secret(PASSWORD)),
    };
    let users = &stage.airline.users;
    let eve = users
        .register(None, registered, WriteOptions::default())
        .await
        .unwrap();
    // The operator's wishes are about people, and are carried out.
    let wish = stage
        .airline
        .desired
        .apply(crate::desired::nothing(1))
        .await;
    assert_eq!(wish.unwrap().number, 1);
    let head = log.inner.head().await.unwrap().position;
    stage.airline.wait_for_people(head).await.unwrap();
    let id = eve.entity.user.id;
    assert!(users.get(&somebody(id, &[Role::Pilot]), id).await.is_ok());
    assert!(matches!(
        stage.airline.wait_for(head).await,
        Err(ServiceError::NotYetVisible)
    ));
    let lanes = stage.airline.lanes().await.unwrap();
    let stopped: Vec<_> = lanes.iter().map(|it| (it.lane, it.stopped_at)).collect();
    assert_eq!(stopped, [("people", None), ("flights", Some(poisoned - 1))]);
    // Flights that were there before are served, and written.
    let pireps = &stage.airline.pireps;
    let page = Page {
        limit: 10,
        cursor: None,
    };
    let listed = pireps.list(&bob, PirepFilter::default(), page).await;
    let before = listed.unwrap().items[0].id;
    pireps
        .act(&bob, before, PirepCommand::Pause, WriteOptions::default())
        .await
        .unwrap();
    log.poisoned.store(0, Ordering::Relaxed);
    stage.airline.catch_up().await.unwrap();
    assert!(pireps.get(&bob, after).await.is_ok());
    let lanes = stage.airline.lanes().await.unwrap();
    assert!(
        lanes
            .iter()
            .all(|lane| lane.stopped_at.is_none() && lane.behind == 0)
    );
}

#[tokio::test]
async fn a_rebuild_stops_before_such_an_event_and_changes_nothing() {
    let (stage, log, _, _) = poisoned().await;
    let before = rows(&*stage.stores.read_model).await;
    let refused = stage.airline.rebuild(Lane::Flights, &mut |_, _| {}).await;
    let poisoned = log.poisoned.load(Ordering::Relaxed);
    let error = refused.unwrap_err().to_string();
    assert!(error.contains(&format!("position {poisoned}")), "{error}");
    assert_eq!(rows(&*stage.stores.read_model).await, before);
    log.poisoned.store(0, Ordering::Relaxed);
    stage
        .airline
        .rebuild(Lane::Flights, &mut |_, _| {})
        .await
        .unwrap();
    assert!(rows(&*stage.stores.read_model).await.len() > before.len());
}

/// What cannot be built is followed from the start, unless another process does so already.
#[tokio::test]
async fn a_lane_that_another_process_fills_meanwhile_is_not_emptied() {
    let (stage, log) = faulty_stage().await;
    // So long that its tables are built, which the last event forbids.
    for _ in 0..2 {
        log.inner.append(pauses(600)).await.unwrap();
    }
    let head = log.inner.head().await.unwrap();
    log.poisoned.store(head.position, Ordering::Relaxed);
    let (projections, read_model) = beside(&stage, log.clone());
    projections.prepare().await.unwrap();
    let id = Uuid::new_v4();
    let theirs = Row {
        id,
        values: vec![Value::Null; tables::PIREPS.columns.len()],
        document: "{}".to_owned(),
    };
    let (model, filled) = (read_model.clone(), Change::Upsert(&tables::PIREPS, theirs));
    *log.before_page.lock().unwrap() = Some(Box::pin(async move {
        let lane = model.lock_lane(tables::FLIGHTS).await.unwrap().unwrap();
        let reached = Checkpoint {
            epoch: head.epoch,
            position: 900,
        };
        lane.commit(vec![filled], reached).await.unwrap();
    }));
    let stopped = projections.catch_up_lane(Lane::Flights).await;
    assert!(
        matches!(stopped, Err(ServiceError::Corrupt(_))),
        "{stopped:?}"
    );
    let row = read_model.get(&tables::PIREPS, id).await.unwrap();
    assert!(row.is_some(), "it is where the other process put it");
    let reached = read_model.checkpoint(tables::FLIGHTS).await.unwrap();
    assert_eq!(reached.position, head.position - 1);
}

/// Of a flight that was never filed: they change nothing.
fn pauses(count: usize) -> Append {
    let paused = || NewEvent {
        event_id: Uuid::new_v4(),
        kind: 305,
        schema: 1,
        payload: Vec::new(),
    };
    Append {
        command_id: Uuid::new_v4(),
        stream_id: Uuid::new_v4(),
        expected_version: 0,
        events: std::iter::repeat_with(paused).take(count).collect(),
        causation_id: None,
        correlation_id: None,
        actor: "operator".to_owned(),
        recorded_at: Timestamp::UNIX_EPOCH,
        claims: Vec::new(),
        request: None,
        credentials: Vec::new(),
        subject_keys: Vec::new(),
    }
}

#[tokio::test]
async fn a_log_that_is_restored_during_a_rebuild_is_not_taken_for_the_one_before() {
    let (stage, log) = faulty_stage().await;
    let bob = stage.pilot("Bob").await;
    stage.prefiled(&bob).await;
    let mut watch = |_, _| *log.epoch.lock().unwrap() = Some(Uuid::new_v4());
    let refused = stage.airline.rebuild(Lane::Flights, &mut watch).await;
    assert!(
        matches!(refused, Err(RebuildError::Restored)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_process_that_starts_before_such_an_event_says_so_and_is_not_ready() {
    let (stage, log, _, _) = poisoned().await;
    let reason = stage.airline.ready().await.unwrap_err();
    let position = log.poisoned.load(Ordering::Relaxed);
    let expected = format!("flights stopped before position {position}");
    assert!(reason.contains(&expected), "{reason}");
    log.poisoned.store(0, Ordering::Relaxed);
    stage.airline.catch_up().await.unwrap();
    assert_eq!(stage.airline.ready().await, Ok(Vec::new()));
    // From now on it serves, whatever becomes of a lane.
    let eve = stage.pilot("Eve").await;
    log.poisoned.store(
        log.inner.head().await.unwrap().position + 1,
        Ordering::Relaxed,
    );
    let pireps = &stage.airline.pireps;
    let filed = pireps.create(&eve, flight("SKY3"), WriteOptions::default());
    filed.await.unwrap();
    assert!(stage.airline.catch_up().await.is_err());
    let degraded = stage.airline.ready().await.unwrap();
    assert!(degraded[0].contains("flights stopped"), "{degraded:?}");
}

/// What an airline's metrics say.
struct Exported(Registry);

impl Exported {
    fn of(stage: &Stage) -> Self {
        let mut registry = Registry::default();
        stage.airline.register_metrics(&mut registry);
        Self(registry)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.0).unwrap();
        text
    }

    /// Of the projections.
    fn shows(&self, line: &str) {
        let text = self.text();
        let line = format!("albatross_projection_{line}");
        assert!(
            text.lines().any(|it| it == line),
            "{line} is not in\n{text}"
        );
    }
}

#[tokio::test]
async fn metrics_tell_how_far_behind_a_lane_is_and_for_how_long() {
    let (stage, log, bob, _) = poisoned().await;
    let exported = Exported::of(&stage);
    let shows = |line: &str| exported.shows(line);
    stage.clock.advance(SignedDuration::from_secs(90));
    assert!(stage.airline.catch_up().await.is_err());
    shows("stopped{lane=\"flights\"} 1");
    shows("stopped{lane=\"people\"} 0");
    shows("behind{lane=\"flights\"} 1");
    shows("waiting_seconds{lane=\"flights\"} 90.0");
    shows("waiting_seconds{lane=\"people\"} 0.0");
    let seen = "albatross_projection_visible_seconds_count{lane=\"flights\"}";
    let count = || -> u32 {
        let text = exported.text();
        let line = text.lines().find_map(|line| line.strip_prefix(seen));
        line.unwrap().trim().parse().unwrap()
    };
    let before = count();
    log.poisoned.store(0, Ordering::Relaxed);
    stage.prefiled(&bob).await;
    // The event that could not be read, 90 s late, and the one that was just written.
    assert_eq!(count(), before + 2);
    shows("behind{lane=\"flights\"} 0");
    shows("waiting_seconds{lane=\"flights\"} 0.0");
    // A replay is no news.
    let count_before = count();
    *log.epoch.lock().unwrap() = Some(Uuid::new_v4());
    stage.airline.catch_up().await.unwrap();
    assert_eq!(count(), count_before);
}

/// Whose it is nobody can tell: it stops all that follow the log.
#[tokio::test]
async fn a_row_that_cannot_be_decoded_stops_all_lanes_and_is_named() {
    let (stage, log) = faulty_stage().await;
    let reactions = &stage.airline.reactions;
    let bob = stage.pilot("Bob").await;
    stage.prefiled(&bob).await;
    reactions.catch_up().await.unwrap();
    let row = log.inner.head().await.unwrap().position + 1;
    log.undecodable.store(row, Ordering::Relaxed);
    let pireps = &stage.airline.pireps;
    for number in ["SKY2", "SKY3"] {
        let filed = pireps.create(&bob, flight(number), WriteOptions::default());
        filed.await.unwrap();
    }
    stage.clock.advance(SignedDuration::from_secs(90));
    // A process that starts now serves what was there before.
    stage.airline.begin().await.unwrap();
    for stopped in [stage.airline.catch_up().await, reactions.catch_up().await] {
        let error = stopped.unwrap_err();
        assert!(matches!(error, ServiceError::Corrupt(_)), "{error:?}");
        let named = format!("event at position {row}: ");
        assert!(error.to_string().contains(&named), "{error}");
    }
    let refused = stage.airline.rebuild(Lane::People, &mut |_, _| {}).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains(&format!("position {row}")), "{error}");
    let lanes = stage.airline.lanes().await.unwrap();
    assert!(lanes.iter().all(|it| it.stopped_at == Some(row - 1)));
    let exported = Exported::of(&stage);
    for lane in ["people", "flights", "reactions"] {
        exported.shows(&format!("stopped{{lane=\"{lane}\"}} 1"));
        exported.shows(&format!("behind{{lane=\"{lane}\"}} 2"));
        exported.shows(&format!("waiting_seconds{{lane=\"{lane}\"}} 90.0"));
    }
    log.undecodable.store(0, Ordering::Relaxed);
    stage.airline.catch_up().await.unwrap();
    reactions.catch_up().await.unwrap();
    for lane in ["people", "flights", "reactions"] {
        exported.shows(&format!("stopped{{lane=\"{lane}\"}} 0"));
        exported.shows(&format!("behind{{lane=\"{lane}\"}} 0"));
    }
}

/// Appends go on meanwhile, and lists grow old.
#[rstest]
#[tokio::test]
async fn metrics_go_on_while_lists_cannot_be_written(
    #[values(Trouble::Unwritable, Trouble::Unreadable, Trouble::Silent)] trouble: Trouble,
) {
    let mut stores = memory::open();
    let lists = FaultyLists::over(stores.read_model.clone());
    stores.read_model = lists.clone();
    let events = stores.events.clone();
    let stage = Stage::over(stores, events).await;
    let bob = stage.pilot("Bob").await;
    stage.prefiled(&bob).await;
    stage.airline.reactions.catch_up().await.unwrap();
    *lists.trouble.lock().unwrap() = Some(trouble);
    let pireps = &stage.airline.pireps;
    let filed = pireps.create(&bob, flight("SKY2"), WriteOptions::default());
    filed.await.unwrap();
    stage.clock.advance(SignedDuration::from_secs(90));
    let exported = Exported::of(&stage);
    exported.shows("behind{lane=\"flights\"} 0");

    let cancel = CancellationToken::new();
    let _running = cancel.clone().drop_guard();
    tokio::time::pause();
    let (airline, stop) = (stage.airline.clone(), cancel.clone());
    tokio::spawn(async move { airline.project(&supervisor(), &stop).await });
    let airline = stage.airline.clone();
    tokio::spawn(async move { airline.reactions.run(&cancel).await });
    for (behind, waiting) in [("1", "90.0"), ("0", "0.0")] {
        tokio::time::sleep(Duration::from_secs(100)).await;
        for lane in ["people", "flights", "reactions"] {
            exported.shows(&format!("behind{{lane=\"{lane}\"}} {behind}"));
            exported.shows(&format!("waiting_seconds{{lane=\"{lane}\"}} {waiting}"));
        }
        *lists.trouble.lock().unwrap() = None;
    }
}

#[tokio::test]
async fn a_lane_that_panics_goes_on_after_a_moment() {
    let (stage, log) = faulty_stage().await;
    let bob = stage.pilot("Bob").await;
    log.panics.store(2, Ordering::Relaxed);
    let cancel = CancellationToken::new();
    let (airline, stop) = (stage.airline.clone(), cancel.clone());
    let following = tokio::spawn(async move { airline.project(&supervisor(), &stop).await });
    let pireps = &stage.airline.pireps;
    let filed = pireps
        .create(&bob, flight("SKY1"), WriteOptions::default())
        .await
        .unwrap();
    let visible = async { while stage.airline.wait_for(filed.position).await.is_err() {} };
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, visible).await.unwrap();
    cancel.cancel();
    following.await.unwrap();
}

#[tokio::test]
async fn a_restored_log_is_projected_from_its_start() {
    let (stage, log) = faulty_stage().await;
    let bob = stage.pilot("Bob").await;
    stage.prefiled(&bob).await;
    let expected = rows(&*stage.stores.read_model).await;
    let restored = Uuid::new_v4();
    *log.epoch.lock().unwrap() = Some(restored);
    stage.airline.catch_up().await.unwrap();
    assert_eq!(rows(&*stage.stores.read_model).await, expected);
    let checkpoint = stage
        .stores
        .read_model
        .checkpoint(tables::FLIGHTS)
        .await
        .unwrap();
    assert_eq!(checkpoint.epoch, restored);
}

#[tokio::test]
async fn a_reader_sees_its_own_write_as_soon_as_it_is_projected() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let cancel = CancellationToken::new();
    let airline = stage.airline.clone();
    let following = tokio::spawn({
        let cancel = cancel.clone();
        async move { airline.project(&supervisor(), &cancel).await }
    });
    for _ in 0..20 {
        let pireps = &stage.airline.pireps;
        let filed = pireps
            .create(&bob, flight("SKY1"), WriteOptions::default())
            .await
            .unwrap();
        stage.airline.wait_for(filed.position).await.unwrap();
        assert_eq!(pireps.get(&bob, filed.entity.id).await.unwrap().version, 1);
    }
    cancel.cancel();
    following.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn waiting_for_what_is_not_projected_ends_after_two_seconds() {
    let stage = Stage::new().await;
    let bob = somebody(UserId(Uuid::new_v4()), &[Role::Pilot]);
    let pireps = &stage.airline.pireps;
    let filed = pireps.create(&bob, flight("SKY1"), WriteOptions::default());
    let position = filed.await.unwrap().position;
    // Beyond the end of the log there is nothing to wait for.
    for (position, seconds) in [(position, 2), (position + 1, 0), (1_000, 0)] {
        let begun = tokio::time::Instant::now();
        let waited = stage.airline.wait_for(position).await;
        assert!(matches!(waited, Err(ServiceError::NotYetVisible)));
        assert_eq!(begun.elapsed().as_secs_f64().round() as u64, seconds);
    }
}

#[tokio::test]
async fn what_another_process_wrote_is_waited_for() {
    let stage = Stage::new().await;
    let log = FaultyLog::new(stage.stores.events.clone());
    log.silent.store(true, Ordering::Relaxed);
    let deaf = Stage::over(stage.stores.clone(), log).await;
    let bob = somebody(UserId(Uuid::new_v4()), &[Role::Pilot]);
    let filed = stage
        .airline
        .pireps
        .create(&bob, flight("SKY1"), WriteOptions::default());
    let position = filed.await.unwrap().position;
    let (waited, projected) =
        tokio::join!(deaf.airline.wait_for(position), stage.airline.catch_up());
    projected.unwrap();
    waited.unwrap();
}

#[tokio::test]
async fn what_a_holder_leaves_behind_is_projected_without_another_append() {
    let stage = Stage::new().await;
    let log = stage.stores.events.clone();
    let (projections, read_model) = beside(&stage, log.clone());
    projections.prepare().await.unwrap();
    projections.catch_up().await.unwrap();
    let projections = Arc::new(projections);
    let flights = read_model.lock_lane(Lane::Flights.name()).await.unwrap();
    let held = flights.expect("nobody holds it");
    let cancel = CancellationToken::new();
    let _running = cancel.clone().drop_guard();
    let following = projections.clone();
    tokio::spawn(async move { following.run(&supervisor(), &cancel).await });
    let bob = stage.pilot("Bob").await;
    stage.prefiled(&bob).await;
    let head = log.head().await.unwrap().position;
    // Both have been woken: one has got there, the other has found its lane held.
    while projections.position(&[Lane::People]).await.unwrap() < head {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(held);
    let limit = Duration::from_secs(30);
    let shown = tokio::time::timeout(limit, async {
        while projections.position(&[Lane::Flights]).await.unwrap() < head {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    shown.await.expect("the lane waits for another append");
}

/// Nobody looks at an idle log, but for a sweep once a minute: the safety net under wake-ups that are lost.
#[tokio::test]
async fn what_woke_nobody_is_projected_a_minute_later_and_not_looked_for_before() {
    let (stage, log) = faulty_stage().await;
    let bob = stage.pilot("Bob").await;
    log.silent.store(true, Ordering::Relaxed);
    let cancel = CancellationToken::new();
    let _running = cancel.clone().drop_guard();
    let airline = stage.airline.clone();
    tokio::spawn(async move { airline.project(&supervisor(), &cancel).await });
    tokio::time::pause();
    // Both lanes have found nothing to do, and wait.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let reached = async || {
        let [people, flights] =
            Lane::ALL.map(|lane| stage.stores.read_model.checkpoint(lane.name()));
        [
            people.await.unwrap().position,
            flights.await.unwrap().position,
        ]
    };
    let before = reached().await;
    let pireps = &stage.airline.pireps;
    let filed = pireps.create(&bob, flight("SKY1"), WriteOptions::default());
    let filed = filed.await.unwrap().position;
    tokio::time::sleep(Duration::from_secs(58)).await;
    assert_eq!(reached().await, before, "an idle log is not polled");
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(reached().await, [filed; 2]);
}
