//! The stream of changes: to whom, from where, until when.

use std::time::Duration;

use albatross::application::changes::notice::Notice;
use albatross::application::identity::Identity;
use albatross::application::pireps::Accept;
use albatross::application::write::WriteOptions;
use albatross::domain::pirep::Credit;
use albatross::domain::roles::{Role, Roles};
use futures::{Stream, StreamExt};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::stage::*;

/// A stage whose projections and stream follow the log.
async fn followed() -> (Stage, DropGuard) {
    let stage = Stage::new().await;
    let cancel = CancellationToken::new();
    let (airline, stop) = (stage.airline.clone(), cancel.clone());
    tokio::spawn(async move { airline.project(&supervisor(), &stop).await });
    let (airline, stop) = (stage.airline.clone(), cancel.clone());
    tokio::spawn(async move { airline.changes.run(&stop).await });
    (stage, cancel.drop_guard())
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
        .pause(&bob, id, WriteOptions::default())
        .await
        .unwrap();
    pireps
        .resume(&bob, id, WriteOptions::default())
        .await
        .unwrap();
    let mut stream = subscribe(&stage, &bob, Some((seen.epoch, seen.position))).await;
    assert_eq!(kind(&mut stream).await, "FlightPaused");
    assert_eq!(kind(&mut stream).await, "FlightResumed");
    pireps
        .pause(&bob, id, WriteOptions::default())
        .await
        .unwrap();
    assert_eq!(kind(&mut stream).await, "FlightPaused");
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
    let users = &stage.airline.users;
    let pilot = Roles::from(Role::Pilot);
    users
        .set_roles(&ada, rita.user(), pilot, WriteOptions::default())
        .await
        .unwrap();
    assert_eq!(next(&mut staff).await, None);
    assert_eq!(kind(&mut admin).await, "RolesChanged");
}
