//! When the data takes all the room that it may, nothing new is taken; what has begun, protects or removes goes on.

use std::collections::BTreeMap;

use albatross::application::pireps::{Accept, Submit};
use albatross::application::users::Register;
use albatross::application::write::{Idempotency, Outcome, WriteOptions};
use albatross::domain::catalogue::Rank;
use albatross::domain::pirep::Credit;
use albatross::domain::refusal::RefusalKind;
use albatross::domain::roles::Role;
use albatross::domain::tenant::Limits;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use uuid::Uuid;

use crate::catalogue::{keeper, scheduled};
use crate::desired::{apply, nothing};
use crate::stage::*;

const NONE: fn() -> WriteOptions = WriteOptions::default;
const FULL: (&str, RefusalKind) = ("storage-full", RefusalKind::LimitReached);

/// Lets the airline take so much, and finds out what it takes.
async fn limited(stage: &Stage, number: u64, bytes: Option<u64>) {
    let mut state = nothing(number);
    state.tenant.limits = Limits {
        storage_bytes: bytes,
        ..Limits::default()
    };
    apply(stage, state).await;
    stage.airline.measure().await.unwrap();
}

fn named(key: &str) -> WriteOptions {
    WriteOptions {
        idempotency: Some(Idempotency::new(Uuid::nil(), "POST /pireps", key, b"")),
        ..WriteOptions::default()
    }
}

fn accept() -> Accept {
    Accept {
        credit: Credit::Full,
        comment: None,
    }
}

fn ranks() -> Vec<Rank> {
    vec![Rank {
        name: "Cadet".to_owned(),
        min_hours: 0,
    }]
}

#[tokio::test]
async fn nothing_new_is_taken_until_there_is_more_room() {
    let stage = Stage::new().await;
    let admin = stage.person("Ada", &[Role::TenantAdmin]).await;
    let bob = stage.pilot("Bob").await;
    let flown = stage.submitted(&bob).await.entity;
    let airline = &stage.airline;
    let accepted = airline
        .pireps
        .accept(&admin, flown.id, accept(), seen(flown.version));
    accepted.await.unwrap();
    airline.catch_up().await.unwrap();
    let added = airline.schedule.add(keeper(), scheduled("SKY3"), NONE());
    let booked = added.await.unwrap().entity;
    let added = airline.schedule.add(keeper(), scheduled("SKY4"), NONE());
    let other = added.await.unwrap().entity.id.into();
    let made = airline.bidding.make(&bob, booked.id.into(), NONE()).await;
    let bid = made.unwrap().entity.id;
    limited(&stage, 1, Some(1)).await;

    let filed = airline.pireps.create(&bob, flight("SKY2"), named("a"));
    assert_eq!(refused(filed.await), FULL);
    let made = airline.bidding.make(&bob, other, NONE()).await;
    assert_eq!(refused(made), FULL);
    let added = airline.schedule.add(keeper(), scheduled("SKY5"), NONE());
    assert_eq!(refused(added.await), FULL);
    airline.bidding.withdraw(&bob, bid, NONE()).await.unwrap();
    let archived = airline.schedule.archive(keeper(), booked.id, NONE());
    archived.await.unwrap();
    let late = vec![sample(1, 120)];
    let late = airline
        .tracks
        .store(&bob, flown.id, Uuid::new_v4(), late)
        .await;
    assert_eq!(refused(late), FULL, "it was decided");
    let bea = Register {
        email: email("Bea"),
        display_name: "Bea".to_owned(),
        password: Some(secret(PASSWORD)),
    };
    let registered = airline.users.register(None, bea, NONE());
    assert_eq!(refused(registered.await.map(|_| ())), FULL);
    let tenant = airline.tenant().await.unwrap().unwrap();
    let ranked = airline
        .lists
        .set_ranks(&admin, ranks(), seen(tenant.version));
    assert_eq!(refused(ranked.await), FULL);

    limited(&stage, 2, Some(1 << 40)).await;
    let filed = airline.pireps.create(&bob, flight("SKY2"), named("a"));
    filed.await.unwrap();
    limited(&stage, 3, None).await;
    stage.pilot("Bea").await;
}

#[tokio::test]
async fn a_flight_that_has_begun_is_flown_submitted_and_reviewed() {
    let stage = Stage::new().await;
    let admin = stage.person("Ada", &[Role::TenantAdmin]).await;
    let bob = stage.pilot("Bob").await;
    let (airline, pireps) = (&stage.airline, &stage.airline.pireps);
    let filed = pireps.create(&bob, flight("SKY1"), named("a"));
    let begun = filed.await.unwrap().entity.id;
    limited(&stage, 1, Some(1)).await;

    let again = pireps.create(&bob, flight("SKY1"), named("a"));
    let again = again.await.unwrap();
    assert_eq!(
        (again.outcome, again.entity.id),
        (Outcome::CreatedBefore, begun),
        "whoever missed the answer is given it"
    );
    stage.positions(&bob, begun, vec![sample(0, 120)]).await;
    let put = pireps.put(&bob, begun, flight("SKY9"), NONE());
    put.await.unwrap();
    let submitted = pireps.submit(&bob, begun, Submit::default(), NONE());
    let submitted = submitted.await.unwrap();
    stage.positions(&bob, begun, vec![sample(1, 120)]).await;
    let accepted = pireps.accept(&admin, begun, accept(), seen(submitted.version));
    accepted.await.unwrap();

    let address = email("Bob");
    let session = airline.auth.log_in(&address, secret(PASSWORD), CLIENT);
    session.await.unwrap();
    let erased = airline.erasure.erase(&admin, bob.user(), NONE());
    erased.await.unwrap();
}

#[tokio::test]
async fn what_the_rules_do_not_permit_is_told_first() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    limited(&stage, 1, Some(1)).await;
    let tenant = stage.airline.tenant().await.unwrap().unwrap();
    let lists = &stage.airline.lists;
    let ranked = lists.set_ranks(&bob, ranks(), seen(tenant.version));
    assert_eq!(refused(ranked.await).1, RefusalKind::Forbidden);
}

#[tokio::test]
async fn size_and_limit_are_measured() {
    let stage = Stage::new().await;
    let mut registry = Registry::default();
    stage.airline.register_metrics(&mut registry);
    let shown = || {
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let lines = text
            .lines()
            .filter(|line| line.starts_with("albatross_storage"));
        let values = lines.map(|line| line.split_once(' ').unwrap());
        let values = values.map(|(name, value)| (name.to_owned(), value.parse().unwrap()));
        values.collect::<BTreeMap<String, u64>>()
    };
    limited(&stage, 1, None).await;
    let before = shown();
    assert_eq!(before["albatross_storage_limit_bytes"], 0);
    assert!(before["albatross_storage_size_bytes"] > 0);
    stage.pilot("Bob").await;
    limited(&stage, 2, Some(7_000_000)).await;
    let after = shown();
    assert_eq!(after["albatross_storage_limit_bytes"], 7_000_000);
    let (before, after) = (
        &before["albatross_storage_size_bytes"],
        &after["albatross_storage_size_bytes"],
    );
    assert!(after > before);
}
