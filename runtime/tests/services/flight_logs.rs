//! ACARS logs: kept once, for pilot and staff, and erased with the pilot.

use albatross::application::error::ServiceError;
use albatross::application::flight_logs::{Line, LinesStored};
use albatross::application::identity::Identity;
use albatross::application::write::WriteOptions;
use albatross::domain::ids::PirepId;
use albatross::domain::personal::Personal;
use albatross::domain::refusal::RefusalKind;
use albatross::domain::roles::Role;
use jiff::{SignedDuration, Timestamp};

use crate::stage::*;

fn line(sequence: i32, text: &str) -> Line {
    Line {
        sequence,
        time: Timestamp::from_second(1_700_000_000 + i64::from(sequence)).unwrap(),
        text: text.into(),
    }
}

async fn send(
    stage: &Stage,
    who: &Identity,
    id: PirepId,
    lines: Vec<Line>,
) -> Result<LinesStored, ServiceError> {
    let logs = &stage.airline.flight_logs;
    logs.store(who, id, lines).await
}

/// As much of it as is read at once.
async fn read(stage: &Stage, who: &Identity, id: PirepId) -> Result<Vec<Line>, ServiceError> {
    let log = stage.airline.flight_logs.open(who, id).await?;
    log.lines(None).await
}

#[tokio::test]
async fn lines_come_in_any_order_and_the_first_of_each_number_stays() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    let sent = [
        vec![line(2, "Flaps 5"), line(3, "Bob says hello")],
        vec![line(0, "Engine 1 on"), line(2, "Flaps 5")],
        vec![line(3, "another story"), line(1, "Engine 2 on")],
    ];
    let answers = [(2, 0), (1, 1), (1, 1)];
    for (lines, (stored, duplicates)) in sent.into_iter().zip(answers) {
        let answer = send(&stage, &bob, id, lines).await.unwrap();
        assert_eq!(answer, LinesStored { stored, duplicates });
    }
    let rita = stage.person("Rita", &[Role::Reviewer]).await;
    let expected = [
        line(0, "Engine 1 on"),
        line(1, "Engine 2 on"),
        line(2, "Flaps 5"),
        line(3, "Bob says hello"),
    ];
    for who in [&bob, &rita] {
        assert_eq!(read(&stage, who, id).await.unwrap(), expected);
    }
    let stored = stage.stores.tracks.log(id.0, None, 10).await.unwrap();
    let plain = stored.iter().any(|line| {
        let text = String::from_utf8_lossy(&line.sealed);
        text.contains("Flaps") || text.contains("hello")
    });
    assert!(!plain, "nothing is stored in the clear");
}

#[tokio::test]
async fn nobody_else_reads_or_writes_it() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let eve = stage.pilot("Eve").await;
    let rita = stage.person("Rita", &[Role::Reviewer]).await;
    let id = stage.prefiled(&bob).await.entity.id;
    for who in [&eve, &rita] {
        let refused_line = send(&stage, who, id, vec![line(0, "not mine")]).await;
        assert_eq!(refused(refused_line).1, RefusalKind::Forbidden);
    }
    let hidden = read(&stage, &eve, id).await;
    assert_eq!(refused(hidden).1, RefusalKind::NotFound);
    for lines in [
        vec![],
        vec![line(-1, "x")],
        vec![line(5_000, "x")],
        vec![line(0, &"x".repeat(501))],
        (0..501).map(|n| line(n, "x")).collect(),
        vec![line(0, "bell\u{7}")],
        vec![Line {
            time: Timestamp::UNIX_EPOCH - SignedDuration::from_secs(1),
            ..line(0, "x")
        }],
        vec![Line {
            time: Timestamp::MAX,
            ..line(0, "x")
        }],
    ] {
        let invalid = send(&stage, &bob, id, lines).await;
        assert!(matches!(refused(invalid).1, RefusalKind::Invalid { .. }));
    }
    assert_eq!(read(&stage, &bob, id).await.unwrap(), []);
}

#[tokio::test]
async fn a_log_is_erased_with_its_pilot() {
    let stage = Stage::new().await;
    let ada = stage.person("Ada", &[Role::TenantAdmin]).await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    send(&stage, &bob, id, vec![line(0, "my knee hurts again")])
        .await
        .unwrap();
    // Another process has just read it, and does not hear of the erasure.
    let other = Stage::over(stage.stores.clone(), stage.stores.events.clone()).await;
    let known = read(&other, &ada, id).await.unwrap();
    assert_ne!(known[0].text, Personal::Erased);
    let erasure = &stage.airline.erasure;
    let erased = erasure.erase(&ada, bob.user(), WriteOptions::default());
    erased.await.unwrap();
    for stage in [&stage, &other] {
        let lines = read(stage, &ada, id).await.unwrap();
        assert_eq!(lines.len(), 1, "that there was one stays known");
        assert_eq!(lines[0].text, Personal::Erased);
    }
}
