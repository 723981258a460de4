//! The stream of changes: to whom, from where, until when.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use albatross::adapters::memory::{self, MemoryWakeUps};
use albatross::application::api_keys::NewKey;
use albatross::application::changes::notice::Notice;
use albatross::application::identity::Identity;
use albatross::application::pireps::Accept;
use albatross::application::users::Register;
use albatross::application::write::WriteOptions;
use albatross::domain::pirep::{Credit, PirepCommand};
use albatross::domain::roles::{Role, Roles, Scope};
use albatross::ports::event_bus::WakeUps;
use futures::{Stream, StreamExt};
use secrecy::ExposeSecret;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::faulty_lists::FaultyLists;
use crate::faulty_log::FaultyLog;
use crate::stage::*;

/// A stage whose projections and stream follow the log.
async fn followed() -> (Stage, DropGuard) {
    let stage = Stage::new().await;
    let running = follow(&stage);
    (stage, running)
}

fn follow(stage: &Stage) -> DropGuard {
    let cancel = CancellationToken::new();
    let (airline, stop) = (stage.airline.clone(), cancel.clone());
    tokio::spawn(async move { airline.project(&supervisor(), &stop).await });
    let (airline, stop) = (stage.airline.clone(), cancel.clone());
    tokio::spawn(async move { airline.changes.run(&stop).await });
    cancel.drop_guard()
}

async fn subscribe(
    stage: &Stage,
    who: &Identity,
    resume: Option<(Uuid, i64)>,
) -> impl Stream<Item = Notice> + Unpin + use<> {
    let changes = &stage.airline.changes;
    Box::pin(changes.subscribe(who.clone(), resume).await.unwrap())
}

async fn next(stream: &mut (impl Stream<Item = Notice> + Unpin)) -> Option<Notice> {
    let next = tokio::time::timeout(Duration::from_secs(30), stream.next());
    next.await.expect("a notice within half a minute")
}

async fn kind(stream: &mut (impl Stream<Item = Notice> + Unpin)) -> &'static str {
    match next(stream).await {
        Some(Notice::Changed(changed)) => changed.kind,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn everybody_is_told_of_what_they_may_read() {
    let (stage, _running) = followed().await;
    let bob = stage.pilot("Bob").await;
    let eve = stage.pilot("Eve").await;
    let rita = stage.person("Rita", &[Role::Reviewer]).await;
    let mut own = subscribe(&stage, &bob, None).await;
    let mut stranger = subscribe(&stage, &eve, None).await;
    let mut staff = subscribe(&stage, &rita, None).await;
    let submitted = stage.submitted(&bob).await;
    assert_eq!(kind(&mut own).await, "PirepPrefiled");
    assert_eq!(kind(&mut own).await, "PirepSubmitted");
    assert_eq!(kind(&mut staff).await, "PirepPrefiled");
    assert_eq!(kind(&mut staff).await, "PirepSubmitted");
    let accept = Accept {
        credit: Credit::Full,
        comment: None,
    };
    let id = submitted.entity.id;
    let pireps = &stage.airline.pireps;
    pireps
        .accept(&rita, id, accept, seen(submitted.version))
        .await
        .unwrap();
    assert_eq!(kind(&mut own).await, "PirepAccepted");
    // The first that a stranger hears of it: now it counts.
    let Some(Notice::Changed(first)) = next(&mut stranger).await else {
        panic!("no change")
    };
    assert_eq!((first.kind, first.id), ("PirepAccepted", id.0));
    // Whoever is told can read it.
    assert!(pireps.get(&eve, id).await.is_ok());
}

#[tokio::test]
async fn an_event_that_cannot_be_read_silences_nobody() {
    let stores = memory::open();
    let log = FaultyLog::new(stores.events.clone());
    let stage = Stage::over(stores, log.clone()).await;
    let ada = stage.person("Ada", &[Role::TenantAdmin]).await;
    let _running = follow(&stage);
    let bob = stage.pilot("Bob").await;
    let mut stream = subscribe(&stage, &ada, None).await;
    let head = stage.stores.events.head().await.unwrap();
    log.poisoned.store(head.position + 1, Ordering::Relaxed);
    let new = || flight("SKY1");
    let pireps = &stage.airline.pireps;
    for _ in 0..2 {
        let filed = pireps.create(&bob, new(), WriteOptions::default()).await;
        filed.unwrap();
    }
    let register = Register {
        email: email("Eve"),
        display_name: "Eve".to_owned(),
        password: None,
    };
    let users = &stage.airline.users;
    let registered = users.register(Some(&ada), register, WriteOptions::default());
    registered.await.unwrap();
    assert_eq!(kind(&mut stream).await, "UserRegistered");
}

#[tokio::test]
async fn what_was_missed_is_looked_up_a_page_at_a_time() {
    let mut stores = memory::open();
    let lists = FaultyLists::over(stores.read_model.clone());
    stores.read_model = lists.clone();
    let events = stores.events.clone();
    let stage = Stage::over(stores, events).await;
    let bob = stage.pilot("Bob").await;
    let head = stage.stores.events.head().await.unwrap();
    let pireps = &stage.airline.pireps;
    let mut missed = Vec::new();
    for _ in 0..10 {
        let id = stage.prefiled(&bob).await.entity.id;
        missed.push((id.0, "PirepPrefiled"));
        for (command, kind) in [
            (PirepCommand::Pause, "FlightPaused"),
            (PirepCommand::Resume, "FlightResumed"),
        ] {
            let done = pireps.act(&bob, id, command, WriteOptions::default());
            done.await.unwrap();
            missed.push((id.0, kind));
        }
    }
    stage.airline.catch_up().await.unwrap();
    let mut stream = subscribe(&stage, &bob, Some((head.epoch, head.position))).await;
    let before = lists.asked.load(Ordering::Relaxed);
    for expected in missed {
        let Some(Notice::Changed(told)) = next(&mut stream).await else {
            panic!("no change")
        };
        assert_eq!((told.id, told.kind), expected);
    }
    assert_eq!(lists.asked.load(Ordering::Relaxed) - before, 1);
}

#[tokio::test]
async fn whoever_comes_back_is_told_what_they_missed() {
    let (stage, _running) = followed().await;
    let bob = stage.pilot("Bob").await;
    let mut stream = subscribe(&stage, &bob, None).await;
    let id = stage.prefiled(&bob).await.entity.id;
    let Some(Notice::Changed(seen)) = next(&mut stream).await else {
        panic!("no change")
    };
    drop(stream);
    let pireps = &stage.airline.pireps;
    pireps
        .act(&bob, id, PirepCommand::Pause, WriteOptions::default())
        .await
        .unwrap();
    pireps
        .act(&bob, id, PirepCommand::Resume, WriteOptions::default())
        .await
        .unwrap();
    let mut stream = subscribe(&stage, &bob, Some((seen.epoch, seen.position))).await;
    assert_eq!(kind(&mut stream).await, "FlightPaused");
    assert_eq!(kind(&mut stream).await, "FlightResumed");
    pireps
        .act(&bob, id, PirepCommand::Pause, WriteOptions::default())
        .await
        .unwrap();
    assert_eq!(kind(&mut stream).await, "FlightPaused");
}

#[tokio::test]
async fn whoever_listens_before_the_log_is_followed_misses_nothing() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let mut stream = subscribe(&stage, &bob, None).await;
    let id = stage.prefiled(&bob).await.entity.id;
    let _running = follow(&stage);
    assert_eq!(kind(&mut stream).await, "PirepPrefiled");
    let pireps = &stage.airline.pireps;
    let paused = pireps.act(&bob, id, PirepCommand::Pause, WriteOptions::default());
    paused.await.unwrap();
    assert_eq!(kind(&mut stream).await, "FlightPaused");
}

#[tokio::test]
async fn whoever_listens_while_the_log_is_restored_begins_anew() {
    let stores = memory::open();
    let log = FaultyLog::new(stores.events.clone());
    let stage = Stage::over(stores, log.clone()).await;
    let _running = follow(&stage);
    let bob = stage.pilot("Bob").await;
    let mut stream = subscribe(&stage, &bob, None).await;
    stage.prefiled(&bob).await;
    let Some(Notice::Changed(seen)) = next(&mut stream).await else {
        panic!("no change")
    };
    *log.epoch.lock().unwrap() = Some(Uuid::new_v4());
    stage.prefiled(&bob).await;
    assert_eq!(next(&mut stream).await, None);
    let resume = Some((seen.epoch, seen.position));
    let mut stream = subscribe(&stage, &bob, resume).await;
    assert_eq!(next(&mut stream).await, Some(Notice::Reset));
}

#[tokio::test]
async fn a_position_of_another_log_or_ahead_of_it_begins_anew() {
    let (stage, _running) = followed().await;
    let bob = stage.pilot("Bob").await;
    let head = stage.stores.events.head().await.unwrap();
    for resume in [
        (Uuid::new_v4(), 1),
        (head.epoch, head.position + 1),
        (head.epoch, -20_000),
        (head.epoch, i64::MIN),
    ] {
        let mut stream = subscribe(&stage, &bob, Some(resume)).await;
        assert_eq!(next(&mut stream).await, Some(Notice::Reset));
    }
    let mut stream = subscribe(&stage, &bob, Some((Uuid::new_v4(), 1))).await;
    assert_eq!(next(&mut stream).await, Some(Notice::Reset));
    stage.prefiled(&bob).await;
    assert_eq!(kind(&mut stream).await, "PirepPrefiled");
}

#[tokio::test]
async fn a_stream_ends_when_its_reader_is_not_who_they_were() {
    let (stage, _running) = followed().await;
    let ada = stage.person("Ada", &[Role::TenantAdmin]).await;
    let rita = stage.person("Rita", &[Role::Reviewer]).await;
    let mut staff = subscribe(&stage, &rita, None).await;
    let mut admin = subscribe(&stage, &ada, None).await;
    let seen = stage.stores.events.head().await.unwrap();
    let users = &stage.airline.users;
    let pilot = Roles::from(Role::Pilot);
    users
        .set_roles(&ada, rita.user(), pilot, WriteOptions::default())
        .await
        .unwrap();
    assert_eq!(next(&mut staff).await, None);
    assert_eq!(kind(&mut admin).await, "RolesChanged");
    // Whoever comes back as what they are now is told what they missed, that change too, and stays.
    let rita = somebody(rita.user(), &[Role::Pilot]);
    let resume = Some((seen.epoch, seen.position));
    let mut again = subscribe(&stage, &rita, resume).await;
    assert_eq!(kind(&mut again).await, "RolesChanged");
    stage.prefiled(&rita).await;
    assert_eq!(kind(&mut again).await, "PirepPrefiled");
}

async fn logged_in(stage: &Stage, name: &str) -> Identity {
    let auth = &stage.airline.auth;
    let session = auth.log_in(&email(name), secret(PASSWORD), CLIENT).await;
    let cookie = session.unwrap().cookie;
    auth.by_session(cookie.expose_secret()).await.unwrap()
}

async fn with_key(stage: &Stage, owner: &Identity) -> Identity {
    let key = NewKey {
        name: "k".to_owned(),
        scopes: [Scope::PirepsRead].into(),
        expires_at: None,
    };
    let keys = &stage.airline.api_keys;
    let issued = keys.issue(owner, owner.user(), key, WriteOptions::default());
    let issued = issued.await.unwrap().entity;
    let auth = &stage.airline.auth;
    auth.by_key(issued.key.expose_secret()).await.unwrap()
}

/// Two processes of one airline, which hear each other's notices or do not.
async fn two_processes(heard: bool) -> (Stage, Stage) {
    let stores = memory::open();
    let first: Arc<dyn WakeUps> = Arc::new(MemoryWakeUps::new());
    let second = match heard {
        true => first.clone(),
        false => Arc::new(MemoryWakeUps::new()),
    };
    let process = async |wake_ups| {
        let (stores, events) = (stores.clone(), stores.events.clone());
        Stage::beside(stores, events, wake_ups).await
    };
    (process(first).await, process(second).await)
}

#[tokio::test]
async fn whatever_ends_a_proof_ends_the_streams_of_every_process() {
    let (here, there) = two_processes(true).await;
    let ada = here.person("Ada", &[Role::TenantAdmin]).await;
    for (name, way) in [("Bob", 0), ("Eve", 1), ("Jim", 2), ("Kim", 3)] {
        let pilot = here.pilot(name).await;
        let (session, other) = (logged_in(&here, name).await, logged_in(&here, name).await);
        let key = with_key(&here, &pilot).await;
        let mut streams = Vec::new();
        for who in [&session, &other, &key] {
            streams.push(subscribe(&there, who, None).await);
        }
        let options = WriteOptions::default();
        let airline = &here.airline;
        // Which of session, other session and key it ends.
        let ended = match way {
            0 => {
                airline.auth.log_out(&session).await.unwrap();
                [true, false, false]
            }
            1 => {
                let (old, new) = (secret(PASSWORD), secret("quite another password"));
                let changed = airline.auth.change_password(&session, Some(old), new);
                changed.await.unwrap();
                [true, true, false]
            }
            2 => {
                let key = key.person.key.as_ref().unwrap().id.to_string();
                let keys = &airline.api_keys;
                let revoked = keys.revoke(&pilot, pilot.user(), &key, options);
                revoked.await.unwrap();
                [false, false, true]
            }
            _ => {
                let reason = "spam".to_owned();
                let suspended = airline.users.suspend(&ada, pilot.user(), reason, options);
                suspended.await.unwrap();
                [true, true, true]
            }
        };
        for (stream, ended) in streams.iter_mut().zip(ended) {
            if ended {
                // The limit is below the backstop's minute: it was told.
                assert_eq!(next(stream).await, None, "{name}");
            } else {
                let open = futures::FutureExt::now_or_never(stream.next());
                assert!(open.is_none(), "{name}: {open:?}");
            }
        }
        // What has ended opens no new stream either.
        let again = there.airline.changes.subscribe(session, None).await;
        assert_eq!(again.is_err(), ended[0], "{name}");
    }
}

#[tokio::test]
async fn a_notice_that_was_lost_is_made_up_for_within_a_minute() {
    let (here, there) = two_processes(false).await;
    here.pilot("Bob").await;
    let bob = logged_in(&here, "Bob").await;
    let mut stream = subscribe(&there, &bob, None).await;
    here.airline.auth.log_out(&bob).await.unwrap();
    tokio::time::pause();
    let limit = Duration::from_secs(61);
    let ended = tokio::time::timeout(limit, stream.next()).await;
    assert_eq!(ended.expect("the stream is still open"), None);
}

#[tokio::test]
async fn a_lane_that_has_stopped_keeps_no_stream_open() {
    let stores = memory::open();
    let log = FaultyLog::new(stores.events.clone());
    let stage = Stage::over(stores, log.clone()).await;
    let pilot = stage.pilot("Bob").await;
    log.poisoned.store(
        log.inner.head().await.unwrap().position + 1,
        Ordering::Relaxed,
    );
    let pireps = &stage.airline.pireps;
    let filed = pireps.create(&pilot, flight("SKY1"), WriteOptions::default());
    filed.await.unwrap();
    let bob = logged_in(&stage, "Bob").await;
    let mut stream = subscribe(&stage, &bob, None).await;
    stage.airline.auth.log_out(&bob).await.unwrap();
    assert_eq!(next(&mut stream).await, None);
}
