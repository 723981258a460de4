//! Filing, flying, reading and deciding PIREPs.

use std::sync::Arc;

use albatross::adapters::memory;
use albatross::application::airline::Airline;
use albatross::application::error::ServiceError;
use albatross::application::identity::Identity;
use albatross::application::paging::Page;
use albatross::application::pirep_queries::{PirepFilter, PirepSort};
use albatross::application::pireps::{Accept, FilePirep, Reject, Submit};
use albatross::application::write::{Idempotency, Outcome, WriteOptions};
use albatross::domain::ids::PirepId;
use albatross::domain::pirep::{
    Changes, Credit, Intent, PirepCommand, PirepState, Report, Source, SourceKind,
};
use albatross::domain::refusal::RefusalKind;
use albatross::domain::roles::Role;
use albatross::ports::clock::Clock;
use albatross::ports::track_store::Sample;
use jiff::SignedDuration;
use rstest::rstest;
use serde_json::json;
use uuid::Uuid;

use crate::desired::{apply, nothing};
use crate::faulty_log::FaultyLog;
use crate::stage::*;

fn accept() -> Accept {
    Accept {
        credit: Credit::Full,
        comment: Some("Well flown".to_owned()),
    }
}

#[tokio::test]
async fn a_repeated_request_is_answered_as_the_first_time() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let pireps = &stage.airline.pireps;
    let options = |body: &[u8]| WriteOptions {
        idempotency: Some(Idempotency::new(bob.user().0, "POST /pireps", "1", body)),
        ..WriteOptions::default()
    };
    let first = pireps
        .create(&bob, flight("SKY1"), options(b"a"))
        .await
        .unwrap();
    assert_eq!(first.outcome, Outcome::Created);
    let id = first.entity.id;
    pireps
        .act(&bob, id, PirepCommand::Pause, WriteOptions::default())
        .await
        .unwrap();
    let again = pireps
        .create(&bob, flight("SKY1"), options(b"a"))
        .await
        .unwrap();
    assert_eq!(
        (again.outcome, again.entity.id),
        (Outcome::CreatedBefore, id)
    );
    // As it was then, not as it is now.
    assert_eq!(
        (again.version, again.entity.pirep.state),
        (1, PirepState::InProgress)
    );
    let other = pireps.create(&bob, flight("SKY2"), options(b"b")).await;
    assert!(matches!(other, Err(ServiceError::IdempotencyMismatch)));
}

#[tokio::test]
async fn a_flight_put_twice_is_one_and_what_is_new_is_added() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let eve = stage.pilot("Eve").await;
    let pireps = &stage.airline.pireps;
    let id = PirepId(Uuid::new_v4());
    let put = |new| pireps.put(&bob, id, new, WriteOptions::default());
    assert_eq!(put(flight("SKY1")).await.unwrap().outcome, Outcome::Created);
    let again = put(flight("SKY1")).await.unwrap();
    assert_eq!((again.outcome, again.version), (Outcome::Repeated, 1));
    let mut more = flight("SKY1");
    more.report = Some(Report {
        fuel_used_kg: Some(41_000),
        ..Report::default()
    });
    let more = put(more).await.unwrap();
    assert_eq!(more.outcome, Outcome::Changed);
    assert_eq!(more.entity.pirep.report.fuel_used_kg, Some(41_000));
    let stranger = pireps
        .put(&eve, id, flight("SKY1"), WriteOptions::default())
        .await;
    assert_eq!(refused(stranger).1, RefusalKind::Forbidden);
}

#[tokio::test]
async fn of_two_who_put_one_flight_at_once_the_later_finds_it_and_adds_to_it() {
    let stores = memory::open();
    let log = FaultyLog::new(stores.events.clone());
    let here = Stage::over(stores.clone(), log.clone()).await;
    let there = Stage::over(stores.clone(), stores.events.clone()).await;
    let bob = here.pilot("Bob").await;
    for (fuel, expected) in [(None, Outcome::Repeated), (Some(41_000), Outcome::Changed)] {
        let id = PirepId(Uuid::new_v4());
        let (airline, by_bob) = (there.airline.clone(), bob.clone());
        *log.meanwhile.lock().unwrap() = Some(Box::pin(async move {
            let first = flight("SKY1");
            let first = airline
                .pireps
                .put(&by_bob, id, first, WriteOptions::default());
            assert_eq!(first.await.unwrap().outcome, Outcome::Created);
        }));
        let mut second = flight("SKY1");
        second.report = fuel.map(|fuel| Report {
            fuel_used_kg: Some(fuel),
            ..Report::default()
        });
        let pireps = &here.airline.pireps;
        let second = pireps.put(&bob, id, second, WriteOptions::default());
        let second = second.await.unwrap();
        assert_eq!(second.outcome, expected);
        assert_eq!(second.entity.pirep.report.fuel_used_kg, fuel);
    }
}

#[tokio::test]
async fn a_form_that_is_put_again_is_replaced() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let pireps = &stage.airline.pireps;
    let id = PirepId(Uuid::new_v4());
    let form = |number: &str| {
        let mut form = flight(number);
        form.intent = Intent::Draft;
        form.source = Source {
            kind: SourceKind::Manual,
            client: None,
        };
        form
    };
    let put = |new| pireps.put(&bob, id, new, WriteOptions::default());
    put(form("SKY1")).await.unwrap();
    let changed = put(form("SKY2")).await.unwrap();
    assert_eq!(
        changed.entity.pirep.plan.flight_number.as_deref(),
        Some("SKY2")
    );
    assert_eq!(changed.entity.pirep.state, PirepState::Draft);
}

/// A form as its pilot typed it in.
fn form(intent: Intent) -> FilePirep {
    FilePirep {
        intent,
        source: Source {
            kind: SourceKind::Manual,
            client: None,
        },
        report: Some(Report {
            flight_time_min: Some(95),
            ..Report::default()
        }),
        ..flight("SKY1")
    }
}

#[rstest]
#[case::accepted(PirepState::Accepted)]
#[case::cancelled(PirepState::Cancelled)]
#[tokio::test]
async fn a_form_that_is_put_again_as_it_was_changes_nothing_in_any_state(
    #[case] state: PirepState,
) {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let rita = stage.person("Rita", &[Role::Reviewer]).await;
    let pireps = &stage.airline.pireps;
    let id = PirepId(Uuid::new_v4());
    let put = |new| pireps.put(&bob, id, new, WriteOptions::default());
    put(form(Intent::Prefile)).await.unwrap();
    let submitted = pireps.submit(&bob, id, Submit::default(), WriteOptions::default());
    let version = submitted.await.unwrap().version;
    match state {
        PirepState::Accepted => pireps.accept(&rita, id, accept(), seen(version)).await,
        _ => {
            let cancel = PirepCommand::Cancel { reason: None };
            pireps.act(&bob, id, cancel, WriteOptions::default()).await
        }
    }
    .unwrap();
    let again = put(form(Intent::Prefile)).await.unwrap();
    assert_eq!(
        (again.outcome, again.version),
        (Outcome::Repeated, version + 1)
    );
    assert_eq!(again.entity.pirep.state, state);
    let mut other = form(Intent::Prefile);
    other.plan.route = Some("DCT".to_owned());
    assert_eq!(refused(put(other).await).1, RefusalKind::Forbidden);
}

#[rstest]
#[case::measured(SourceKind::Acars)]
#[case::typed_in(SourceKind::Manual)]
#[tokio::test]
async fn what_staff_corrected_stays_when_the_same_is_put_again(#[case] kind: SourceKind) {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let rita = stage.person("Rita", &[Role::Reviewer]).await;
    let pireps = &stage.airline.pireps;
    let id = PirepId(Uuid::new_v4());
    let sent = |fuel: i32, remarks: &str| {
        let mut sent = form(Intent::Prefile);
        sent.source.kind = kind;
        sent.remarks = Some(remarks.to_owned());
        sent.report = Some(Report {
            flight_time_min: Some(95),
            fuel_used_kg: Some(fuel),
            ..Report::default()
        });
        sent
    };
    let put = |new| pireps.put(&bob, id, new, WriteOptions::default());
    let filed = put(sent(41_000, "smooth")).await.unwrap().entity.pirep;
    let mut plan = filed.plan;
    plan.arrival = Some("LLOV".to_owned());
    let report = Report {
        flight_time_min: Some(105),
        ..filed.report
    };
    let correction = PirepCommand::Edit(Changes {
        plan: Some(plan.clone()),
        report: Some(report.clone()),
        remarks: Some("diverted".to_owned()),
        reason: Some("wrong airport".to_owned()),
        ..Changes::default()
    });
    let corrected = pireps.act(&rita, id, correction, WriteOptions::default());
    corrected.await.unwrap();
    let again = put(sent(41_000, "smooth")).await.unwrap();
    assert_eq!((again.outcome, again.version), (Outcome::Repeated, 2));

    // What is new counts, and nothing else; that is what it was put with last from then on.
    for outcome in [Outcome::Changed, Outcome::Repeated] {
        let more = put(sent(42_000, "smooth")).await.unwrap();
        assert_eq!(more.outcome, outcome);
        let pirep = more.entity.pirep;
        assert_eq!(pirep.report.fuel_used_kg, Some(42_000));
        assert_eq!(pirep.report.flight_time_min, Some(105));
        assert_eq!(
            (&pirep.plan, pirep.remarks),
            (&plan, Some("diverted".into()))
        );
    }

    let submitted = pireps.submit(&bob, id, Submit::default(), WriteOptions::default());
    let version = submitted.await.unwrap().version;
    let accepted = pireps.accept(&rita, id, accept(), seen(version)).await;
    accepted.unwrap();
    let late = put(sent(42_000, "smooth")).await.unwrap();
    assert_eq!(late.outcome, Outcome::Repeated);
}

#[tokio::test]
async fn a_flight_put_twice_is_found_also_when_it_was_the_last_of_the_day() {
    let stores = memory::open();
    let log = FaultyLog::new(stores.events.clone());
    let here = Stage::over(stores.clone(), log.clone()).await;
    let there = Stage::over(stores.clone(), stores.events.clone()).await;
    let mut declared = nothing(1);
    declared.tenant.limits.pireps_per_day = Some(1);
    apply(&here, declared).await;
    let bob = here.pilot("Bob").await;
    let id = PirepId(Uuid::new_v4());
    let (airline, by_bob) = (there.airline.clone(), bob.clone());
    let put = async move |airline: &Airline| {
        let pireps = &airline.pireps;
        pireps
            .put(&by_bob, id, flight("SKY1"), WriteOptions::default())
            .await
    };
    let first = put.clone();
    *log.after_read.lock().unwrap() = Some(Box::pin(async move {
        assert_eq!(first(&airline).await.unwrap().outcome, Outcome::Created);
        airline.catch_up().await.unwrap();
    }));
    let second = put(&here.airline).await.unwrap();
    assert_eq!((second.outcome, second.version), (Outcome::Repeated, 1));
    let other = here
        .airline
        .pireps
        .create(&bob, flight("SKY2"), WriteOptions::default());
    assert_eq!(refused(other.await).0, "too-many-flights-today");
}

#[tokio::test]
async fn a_version_that_was_seen_of_what_is_not_there_creates_nothing() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let pireps = &stage.airline.pireps;
    let id = PirepId(Uuid::new_v4());
    let put = pireps.put(&bob, id, flight("SKY1"), seen(3)).await;
    assert!(
        matches!(put, Err(ServiceError::Stale { actual: 0 })),
        "{put:?}"
    );
    let paused = pireps.act(&bob, id, PirepCommand::Pause, seen(3)).await;
    assert_eq!(refused(paused).1, RefusalKind::NotFound);
}

#[tokio::test]
async fn what_a_client_measured_is_kept_also_when_its_flight_was_cancelled_meanwhile() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let rita = stage.person("Rita", &[Role::Reviewer]).await;
    let pireps = &stage.airline.pireps;
    let id = stage.prefiled(&bob).await.entity.id;
    let cancel = PirepCommand::Cancel {
        reason: Some("no contact".to_owned()),
    };
    let cancelled = pireps.act(&rita, id, cancel, WriteOptions::default()).await;
    cancelled.unwrap();
    let mut whole = flight("SKY1");
    whole.report = Some(Report {
        fuel_used_kg: Some(41_000),
        ..Report::default()
    });
    let put = pireps.put(&bob, id, whole, WriteOptions::default()).await;
    let pirep = put.unwrap().entity.pirep;
    assert_eq!(pirep.state, PirepState::Cancelled);
    assert_eq!(pirep.report.fuel_used_kg, Some(41_000));
    stage.positions(&bob, id, vec![sample(0, 200)]).await;
    let restored = pireps.act(&bob, id, PirepCommand::Restore, WriteOptions::default());
    let pirep = restored.await.unwrap().entity.pirep;
    assert_eq!(pirep.state, PirepState::InProgress);
    assert_eq!(pirep.report.fuel_used_kg, Some(41_000));
}

#[tokio::test]
async fn a_submitted_report_is_completed_from_the_track() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    let speeds = [0, 10, 200, 400, 400, 150, 12, 0];
    let track = speeds.iter().enumerate();
    let track = track.map(|(index, speed)| sample(index as i32, *speed));
    stage.positions(&bob, id, track.collect()).await;
    let submit = Submit {
        report: Some(Report {
            block_time_min: Some(7),
            ..Report::default()
        }),
        last_sequence: Some(8),
        ..Submit::default()
    };
    let pireps = &stage.airline.pireps;
    let submitted = pireps.submit(&bob, id, submit, WriteOptions::default());
    let view = submitted.await.unwrap().entity;
    let report = &view.pirep.report;
    // What the client said counts; the rest is read off the track.
    assert_eq!(report.block_time_min, Some(7));
    assert_eq!(report.flight_time_min, Some(3));
    assert!((report.distance_centi_nmi.unwrap() - 4_203).abs() < 5);
    assert_eq!((view.track.count, view.track.last_sequence), (8, Some(7)));
    let codes: Vec<_> = view.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, ["track-incomplete"]);
}

#[rstest]
#[case::elsewhere("LCLK", &["diversion"])]
#[case::as_planned("LLBG", &[])]
#[tokio::test]
async fn whoever_lands_elsewhere_is_told_that_it_was_a_diversion(
    #[case] flown_to: &str,
    #[case] expected: &[&str],
) {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    let submit = Submit {
        report: Some(Report {
            actual_arrival: Some(flown_to.to_owned()),
            ..Report::default()
        }),
        ..Submit::default()
    };
    let pireps = &stage.airline.pireps;
    let submitted = pireps.submit(&bob, id, submit, WriteOptions::default());
    let view = submitted.await.unwrap().entity;
    let codes: Vec<_> = view.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, expected);
    if let [diversion] = &view.warnings[..] {
        assert_eq!(diversion.detail, "Planned to LLBG, flown to LCLK.");
    }
}

/// Positions at these seconds from now, with these speeds.
fn flown(stage: &Stage, positions: &[(i64, i16)]) -> Vec<Sample> {
    let numbered = positions.iter().enumerate();
    let sampled = numbered.map(|(index, (second, speed))| {
        let mut sample = sample(index as i32, *speed);
        sample.time = stage.clock.now() + SignedDuration::from_secs(*second);
        sample
    });
    sampled.collect()
}

#[tokio::test]
async fn a_flight_is_submitted_whatever_the_clock_of_its_client_said() {
    const HOUR: i64 = 3_600;
    const DAY: i64 = 24 * HOUR;
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let now = stage.clock.now();
    let at = |second: i64| Some(now + SignedDuration::from_secs(second));
    let submitted = async |report: Report, positions: &[(i64, i16)]| {
        let id = stage.prefiled(&bob).await.entity.id;
        stage.positions(&bob, id, flown(&stage, positions)).await;
        let submit = Submit {
            report: Some(report),
            ..Submit::default()
        };
        let pireps = &stage.airline.pireps;
        let submitted = pireps.submit(&bob, id, submit, WriteOptions::default());
        submitted.await.unwrap().entity.pirep.report
    };
    let said = || Report {
        off_block_at: at(-2 * HOUR),
        ..Report::default()
    };

    // Days ahead: when is not known, how long is.
    let ahead = [
        (3 * DAY, 10),
        (3 * DAY + HOUR, 400),
        (3 * DAY + 2 * HOUR, 10),
    ];
    let report = submitted(Report::default(), &ahead).await;
    assert_eq!((report.off_block_at, report.on_block_at), (None, None));
    assert_eq!(report.block_time_min, Some(120));

    // Set back in flight: what lies before the step before it is left out.
    let back = [
        (-HOUR, 10),
        (-HOUR + 600, 200),
        (-3 * HOUR, 200),
        (-2 * HOUR, 10),
    ];
    let report = submitted(Report::default(), &back).await;
    assert_eq!(report.take_off_at, at(-HOUR + 600));
    assert_eq!((report.landing_at, report.on_block_at), (None, None));

    // Not set yet when it began: from then to now is no block time.
    let unset = [(-400 * DAY, 10), (-HOUR, 200), (-600, 10)];
    let report = submitted(Report::default(), &unset).await;
    assert_eq!(report.off_block_at, at(-400 * DAY));
    assert_eq!(report.on_block_at, at(-600));
    assert_eq!(report.block_time_min, None);

    // A spike of speed at the gate, before the client says that it left: what was said counts, also for the time between.
    let spike = [
        (-3 * HOUR, 200),
        (-HOUR, 200),
        (-HOUR + 600, 10),
        (-HOUR + 700, 0),
    ];
    let report = submitted(said(), &spike).await;
    assert_eq!(report.off_block_at, at(-2 * HOUR));
    assert_eq!(report.take_off_at, None);
    assert_eq!(
        (report.landing_at, report.on_block_at),
        (at(-HOUR), at(-HOUR + 600))
    );
    assert_eq!(
        (report.block_time_min, report.flight_time_min),
        (Some(70), None)
    );
}

#[tokio::test]
async fn a_decision_names_the_version_that_was_seen() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let [rita, ruth] = [
        stage.person("Rita", &[Role::Reviewer]).await,
        stage.person("Ruth", &[Role::Reviewer]).await,
    ];
    let submitted = stage.submitted(&bob).await;
    let (id, version) = (submitted.entity.id, submitted.version);
    let pireps = &stage.airline.pireps;
    let blind = pireps
        .accept(&rita, id, accept(), WriteOptions::default())
        .await;
    assert!(matches!(blind, Err(ServiceError::PreconditionRequired)));
    let own = pireps.accept(&bob, id, accept(), seen(version)).await;
    assert_eq!(refused(own).1, RefusalKind::Forbidden);
    let accepted = pireps
        .accept(&rita, id, accept(), seen(version))
        .await
        .unwrap();
    assert_eq!(accepted.entity.decider_name.as_deref(), Some("Rita"));
    let reject = Reject {
        reason: "No".to_owned(),
        credit: Credit::None,
    };
    let late = pireps.reject(&ruth, id, reject, seen(version)).await;
    assert!(matches!(late, Err(ServiceError::Stale { actual }) if actual == accepted.version));
}

#[tokio::test]
async fn nobody_decides_their_own() {
    let stage = Stage::new().await;
    let rita = stage.person("Rita", &[Role::Reviewer, Role::Pilot]).await;
    let submitted = stage.submitted(&rita).await;
    let pireps = &stage.airline.pireps;
    let own = pireps.accept(
        &rita,
        submitted.entity.id,
        accept(),
        seen(submitted.version),
    );
    assert_eq!(refused(own.await).0, "own-pirep");
}

#[tokio::test]
async fn a_cancelled_flight_is_restored_as_it_was() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    let pireps = &stage.airline.pireps;
    let options = WriteOptions::default;
    pireps
        .act(&bob, id, PirepCommand::Pause, options())
        .await
        .unwrap();
    let cancelled = pireps
        .act(&bob, id, PirepCommand::Cancel { reason: None }, options())
        .await
        .unwrap();
    assert_eq!(cancelled.entity.pirep.state, PirepState::Cancelled);
    let restored = pireps
        .act(&bob, id, PirepCommand::Restore, options())
        .await
        .unwrap();
    assert_eq!(restored.entity.pirep.state, PirepState::Paused);
    let refused = pireps
        .act(&bob, id, PirepCommand::Restore, options())
        .await
        .unwrap_err();
    let ServiceError::Refused(refusal) = refused else {
        panic!("{refused:?}")
    };
    assert!(refusal.allowed.contains(&"resume"), "{refusal:?}");
}

#[tokio::test]
async fn a_flight_that_moves_again_is_resumed() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    let pireps = &stage.airline.pireps;
    pireps
        .act(&bob, id, PirepCommand::Pause, WriteOptions::default())
        .await
        .unwrap();
    let mut parked = sample(0, 0);
    parked.phase = Some("PSD".to_owned());
    let state = async || {
        stage.airline.catch_up().await.unwrap();
        pireps.get(&bob, id).await.unwrap().pirep.state
    };
    let paused_at = stage.clock.now();
    let at = |sequence: i32, seconds: i64| {
        let mut sample = sample(sequence, 200);
        sample.time = paused_at + SignedDuration::from_secs(seconds);
        sample
    };
    parked.time = at(0, 60).time;
    stage.positions(&bob, id, vec![parked]).await;
    assert_eq!(state().await, PirepState::Paused);
    // What was recorded before the pause arrives late, and the moment itself belongs to the flight before it.
    stage.positions(&bob, id, vec![at(1, -60), at(2, 0)]).await;
    assert_eq!(state().await, PirepState::Paused);
    stage.positions(&bob, id, vec![at(3, -30), at(4, 90)]).await;
    assert_eq!(state().await, PirepState::InProgress);
}

/// Somebody comments just before each of the next appends.
fn outrun(log: Arc<FaultyLog>, there: Arc<Airline>, by: Identity, id: PirepId, times: usize) {
    if times == 0 {
        return;
    }
    let again = log.clone();
    *log.meanwhile.lock().unwrap() = Some(Box::pin(async move {
        let comment = PirepCommand::Comment {
            comment: format!("{times} to go"),
        };
        let options = WriteOptions::default();
        there.pireps.act(&by, id, comment, options).await.unwrap();
        outrun(again, there, by, id, times - 1);
    }));
}

#[tokio::test]
async fn a_flight_that_could_not_be_resumed_is_resumed_by_the_same_batch_again() {
    let stores = memory::open();
    let log = FaultyLog::new(stores.events.clone());
    let here = Stage::over(stores.clone(), log.clone()).await;
    let there = Stage::over(stores.clone(), stores.events.clone()).await;
    let bob = here.pilot("Bob").await;
    let id = here.prefiled(&bob).await.entity.id;
    let pireps = &here.airline.pireps;
    let pause = pireps.act(&bob, id, PirepCommand::Pause, WriteOptions::default());
    pause.await.unwrap();
    let moving = Sample {
        time: here.clock.now() + SignedDuration::from_secs(60),
        ..sample(0, 200)
    };
    let (batch, tracks) = (Uuid::new_v4(), &here.airline.tracks);
    let send = || tracks.store(&bob, id, batch, vec![moving.clone()]);
    let state = async || pireps.current(&bob, id).await.unwrap().pirep.state;
    outrun(log, there.airline.clone(), bob.clone(), id, 3);
    let refused = send().await;
    assert!(
        matches!(refused, Err(ServiceError::Unavailable(_))),
        "{refused:?}"
    );
    assert_eq!(state().await, PirepState::Paused);
    send().await.unwrap();
    assert_eq!(state().await, PirepState::InProgress);
}

#[tokio::test]
async fn positions_are_the_owners_and_a_batch_is_stored_once() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let eve = stage.pilot("Eve").await;
    let id = stage.prefiled(&bob).await.entity.id;
    let tracks = &stage.airline.tracks;
    let batch = Uuid::new_v4();
    let one = vec![sample(0, 1), sample(1, 2)];
    let first = tracks.store(&bob, id, batch, one.clone()).await.unwrap();
    assert_eq!(
        tracks.store(&bob, id, batch, one.clone()).await.unwrap(),
        first
    );
    let other = tracks.store(&bob, id, batch, vec![sample(2, 1)]).await;
    assert!(matches!(other, Err(ServiceError::IdempotencyMismatch)));
    let stranger = tracks.store(&eve, id, Uuid::new_v4(), one.clone()).await;
    assert_eq!(refused(stranger).1, RefusalKind::Forbidden);
    let nowhere = tracks.store(&bob, PirepId(Uuid::new_v4()), Uuid::new_v4(), one.clone());
    assert_eq!(refused(nowhere.await).1, RefusalKind::NotFound);
    let mut wrong = sample(3, 1);
    wrong.latitude_e7 = 900_000_001;
    let wrong = tracks.store(&bob, id, Uuid::new_v4(), vec![wrong]).await;
    assert!(matches!(refused(wrong).1, RefusalKind::Invalid { .. }));
    assert_eq!(tracks.all(id).await.unwrap(), one);
    // An unfinished flight is nobody else's business.
    assert_eq!(
        refused(tracks.visible(&eve, id).await).1,
        RefusalKind::NotFound
    );
}

#[tokio::test]
async fn history_says_who_changed_what_and_why() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let rita = stage.person("Rita", &[Role::Reviewer]).await;
    let submitted = stage.submitted(&bob).await;
    let id = submitted.entity.id;
    let reject = Reject {
        reason: "Wrong airport".to_owned(),
        credit: Credit::Hours,
    };
    let pireps = &stage.airline.pireps;
    pireps
        .reject(&rita, id, reject, seen(submitted.version))
        .await
        .unwrap();
    stage.airline.catch_up().await.unwrap();
    let entries = stage.airline.history.of(&bob, id).await.unwrap();
    let events: Vec<_> = entries.iter().map(|entry| entry.event.as_str()).collect();
    assert_eq!(events, ["Prefiled", "Submitted", "Rejected"]);
    assert_eq!(entries[0].actor.display_name.as_deref(), Some("Bob"));
    let rejected = &entries[2];
    assert_eq!(rejected.actor.display_name.as_deref(), Some("Rita"));
    assert_eq!(rejected.reason.as_deref(), Some("Wrong airport"));
    let change = |path: &str| {
        let change = rejected
            .changes
            .iter()
            .find(|change| change.path == path)
            .unwrap();
        (change.from.clone(), change.to.clone())
    };
    assert_eq!(change("/state"), (json!("Submitted"), json!("Rejected")));
    assert_eq!(change("/awaits"), (json!("staff"), json!(null)));
    assert_eq!(change("/decision/credit"), (json!(null), json!("hours")));
    let unchanged = |path: &str| rejected.changes.iter().all(|change| change.path != path);
    assert!(unchanged("/plan/departure"));
    let plan = &entries[0].changes;
    assert!(
        plan.iter()
            .any(|change| change.path == "/plan/departure" && change.to == "LIRF")
    );
}

async fn listed(stage: &Stage, who: &Identity, filter: PirepFilter, limit: usize) -> Vec<PirepId> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let page = Page { limit, cursor };
        let listed = stage
            .airline
            .pireps
            .list(who, filter.clone(), page)
            .await
            .unwrap();
        assert!(listed.items.len() <= limit);
        ids.extend(listed.items.into_iter().map(|view| view.id));
        cursor = listed.next;
        if cursor.is_none() {
            return ids;
        }
    }
}

#[rstest]
#[case::one_at_a_time(1)]
#[case::two_at_a_time(2)]
#[case::all_at_once(50)]
#[tokio::test]
async fn a_pilot_lists_their_own_and_what_counts_of_others(#[case] limit: usize) {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let eve = stage.pilot("Eve").await;
    let rita = stage.person("Rita", &[Role::Reviewer]).await;
    let (mut visible, mut all, mut accepted) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..7 {
        let pilot = if index % 3 == 0 { &eve } else { &bob };
        let filed = stage.submitted(pilot).await;
        all.push(filed.entity.id);
        if index % 2 == 0 {
            let pireps = &stage.airline.pireps;
            let answer = pireps.accept(&rita, filed.entity.id, accept(), seen(filed.version));
            answer.await.unwrap();
            accepted.push(filed.entity.id);
        }
        if index % 3 == 0 || index % 2 == 0 {
            visible.push(filed.entity.id);
        }
        stage.clock.advance(SignedDuration::from_secs(60));
    }
    stage.airline.catch_up().await.unwrap();
    let oldest = PirepFilter {
        sort: PirepSort::OldestFirst,
        ..PirepFilter::default()
    };
    assert_eq!(listed(&stage, &eve, oldest.clone(), limit).await, visible);
    assert_eq!(listed(&stage, &rita, oldest, limit).await, all);
    visible.reverse();
    assert_eq!(
        listed(&stage, &eve, PirepFilter::default(), limit).await,
        visible
    );
    let only = PirepFilter {
        states: vec![PirepState::Accepted],
        sort: PirepSort::FirstSubmittedFirst,
        ..PirepFilter::default()
    };
    assert_eq!(listed(&stage, &eve, only, limit).await, accepted);
    let bobs = PirepFilter {
        pilot: Some(bob.user()),
        states: vec![PirepState::Submitted],
        ..PirepFilter::default()
    };
    assert!(listed(&stage, &eve, bobs, limit).await.is_empty());
}

#[tokio::test]
async fn flights_are_found_by_what_they_are_called() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let found = stage.prefiled(&bob).await.entity.id;
    let search = |text: &str| PirepFilter {
        search: Some(text.to_owned()),
        ..PirepFilter::default()
    };
    assert_eq!(listed(&stage, &bob, search("llbg"), 10).await, [found]);
    assert_eq!(listed(&stage, &bob, search("SKY1"), 10).await, [found]);
    assert!(listed(&stage, &bob, search("%"), 10).await.is_empty());
}

#[tokio::test]
async fn a_flight_takes_so_many_changes_and_can_still_be_submitted() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    let pireps = &stage.airline.pireps;
    let options = WriteOptions::default;
    for n in 1..1_000 {
        let changed = FilePirep {
            remarks: Some(format!("note {n}")),
            ..flight("SKY1")
        };
        pireps.put(&bob, id, changed, options()).await.unwrap();
    }
    let changed = FilePirep {
        remarks: Some("one more".to_owned()),
        ..flight("SKY1")
    };
    let (code, _) = refused(pireps.put(&bob, id, changed, options()).await);
    assert_eq!(code, "too-many-changes");
    let comment = PirepCommand::Comment {
        comment: "one more".to_owned(),
    };
    let (code, _) = refused(pireps.act(&bob, id, comment, options()).await);
    assert_eq!(code, "too-many-changes");
    let submitted = pireps.submit(&bob, id, Submit::default(), options()).await;
    assert_eq!(submitted.unwrap().version, 1_001);
}

#[tokio::test]
async fn the_changes_of_a_flight_take_so_much_room_and_it_can_still_be_submitted() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    let pireps = &stage.airline.pireps;
    let options = WriteOptions::default;
    let changed = |n: i32| {
        // Four bytes a character.
        let mut long = flight("SKY1");
        long.remarks = Some(format!("{n:03}{}", "\u{2708}\u{fe0f}".repeat(1_990)));
        long
    };
    let mut n = 0;
    let full = loop {
        let put = pireps.put(&bob, id, changed(n), options()).await;
        if put.is_err() {
            break put;
        }
        n += 1;
        assert!(n < 300, "no end to it");
    };
    assert_eq!(refused(full).0, "too-many-changes");
    assert!(n > 100, "{n}");
    // Nor does it grow by being taken back again and again.
    let pause = pireps.act(&bob, id, PirepCommand::Pause, options()).await;
    assert_eq!(refused(pause).0, "too-many-changes");
    let cancel = PirepCommand::Cancel { reason: None };
    let cancel = pireps.act(&bob, id, cancel, options()).await;
    assert_eq!(refused(cancel).0, "too-many-changes");
    let submitted = pireps.submit(&bob, id, Submit::default(), options()).await;
    assert_eq!(submitted.unwrap().entity.pirep.state, PirepState::Submitted);
}
