//! Tracks of decided flights are packed, read as before, and take what comes late.

use albatross::application::error::ServiceError;
use albatross::application::pireps::Accept;
use albatross::application::write::WriteOptions;
use albatross::domain::pirep::{Credit, PirepCommand};
use albatross::domain::refusal::RefusalKind;
use albatross::domain::roles::Role;
use albatross::ports::track_store::Sample;
use jiff::Timestamp;
use uuid::Uuid;

use crate::stage::*;

fn flown(sequences: std::ops::Range<i32>) -> Vec<Sample> {
    sequences.map(|sequence| sample(sequence, 300)).collect()
}

#[tokio::test]
async fn tracks_are_packed_once_their_flights_are_decided() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let rita = stage.person("Rita", &[Role::Reviewer]).await;
    let [airborne, cancelled, accepted, submitted] = [
        stage.prefiled(&bob).await,
        stage.prefiled(&bob).await,
        stage.submitted(&bob).await,
        stage.submitted(&bob).await,
    ];
    for flight in [&airborne, &cancelled, &accepted, &submitted] {
        stage.positions(&bob, flight.entity.id, flown(0..50)).await;
    }
    let pireps = &stage.airline.pireps;
    let accept = Accept {
        credit: Credit::Full,
        comment: None,
    };
    pireps
        .accept(&rita, accepted.entity.id, accept, seen(accepted.version))
        .await
        .unwrap();
    pireps
        .act(
            &bob,
            cancelled.entity.id,
            PirepCommand::Cancel { reason: None },
            WriteOptions::default(),
        )
        .await
        .unwrap();
    stage.airline.catch_up().await.unwrap();

    let tracks = &stage.airline.tracks;
    assert_eq!(tracks.pack_decided().await.unwrap(), 2);
    assert_eq!(tracks.pack_decided().await.unwrap(), 0);
    let mut unpacked = stage.stores.tracks.unpacked().await.unwrap();
    unpacked.sort();
    let mut undecided = [airborne.entity.id.0, submitted.entity.id.0];
    undecided.sort();
    assert_eq!(unpacked, undecided);

    // The owner's telemetry is accepted in every state.
    for flight in [&airborne, &cancelled, &accepted, &submitted] {
        let id = flight.entity.id;
        assert_eq!(tracks.all(id).await.unwrap(), flown(0..50));
        stage.positions(&bob, id, flown(30..80)).await;
        assert_eq!(tracks.all(id).await.unwrap(), flown(0..80));
    }
    assert_eq!(tracks.pack_decided().await.unwrap(), 2);
    assert_eq!(tracks.all(accepted.entity.id).await.unwrap(), flown(0..80));
}

#[tokio::test]
async fn times_are_kept_to_the_microsecond_from_1970_on_and_end_in_2200() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    let tracks = &stage.airline.tracks;
    let at = |nanosecond: i64| {
        let mut sample = sample(0, 300);
        sample.time = Timestamp::from_nanosecond(nanosecond.into()).unwrap();
        vec![sample]
    };
    let before = tracks.store(&bob, id, Uuid::new_v4(), at(-1_000_000_000));
    let before = before.await;
    assert!(
        matches!(before, Err(ServiceError::Refused(_))),
        "{before:?}"
    );
    assert!(matches!(refused(before).1, RefusalKind::Invalid { .. }));
    let mut last = at(0);
    last[0].time = Timestamp::MAX;
    let last = tracks.store(&bob, id, Uuid::new_v4(), last).await;
    assert!(matches!(refused(last).1, RefusalKind::Invalid { .. }));
    tracks
        .store(&bob, id, Uuid::new_v4(), at(1_234_567))
        .await
        .unwrap();
    assert_eq!(tracks.all(id).await.unwrap(), at(1_234_000));
}
