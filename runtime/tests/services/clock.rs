//! A clock that is set back by hours while people work: only positions order what happened.

use albatross::adapters::chain;
use albatross::application::pireps::{Accept, Submit};
use albatross::application::write::WriteOptions;
use albatross::domain::pirep::{Credit, PirepState};
use albatross::domain::roles::Role;
use albatross::ports::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use crate::stage::*;

#[tokio::test]
async fn a_clock_that_goes_back_by_hours_stops_nobody() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let rita = stage.person("Rita", &[Role::Reviewer]).await;
    let auth = &stage.airline.auth;
    let session = auth.log_in(&email("Bob"), secret(PASSWORD), CLIENT).await;
    let cookie = session.unwrap().cookie;
    auth.by_session(cookie.expose_secret()).await.unwrap();
    let filed = stage.prefiled(&bob).await;
    let id = filed.entity.id;
    let samples = |numbers: std::ops::Range<i32>| numbers.map(|n| sample(n, 400)).collect();
    stage.positions(&bob, id, samples(0..3)).await;

    let before = stage.clock.now();
    stage.clock.advance(SignedDuration::from_hours(-7));
    assert!(auth.by_session(cookie.expose_secret()).await.is_ok());
    stage.positions(&bob, id, samples(3..6)).await;
    let pireps = &stage.airline.pireps;
    let submitted = pireps.submit(&bob, id, Submit::default(), WriteOptions::default());
    let submitted = submitted.await.unwrap();
    stage.airline.catch_up().await.unwrap();
    let read = pireps.get(&bob, id).await.unwrap();
    assert_eq!((read.pirep.state, read.version), (PirepState::Submitted, 2));
    stage.clock.advance(SignedDuration::from_hours(9));
    let accept = Accept {
        credit: Credit::Full,
        comment: None,
    };
    let accepted = pireps.accept(&rita, id, accept, seen(submitted.version));
    let accepted = accepted.await.unwrap().entity;
    assert_eq!(accepted.pirep.state, PirepState::Accepted);
    stage.airline.catch_up().await.unwrap();
    assert_eq!(stage.airline.tracks.all(id).await.unwrap().len(), 6);

    let log = stage.stores.events.read_stream(id.0, 0).await.unwrap();
    let hours = |time: Timestamp| time.duration_since(before).as_hours();
    let told: Vec<i64> = log.iter().map(|event| hours(event.recorded_at)).collect();
    assert_eq!(told, [0, -7, 2], "each as the clock was");
    assert!(log.is_sorted_by_key(|event| event.position));
    chain::verify(&*stage.stores.events).await.unwrap();
}
