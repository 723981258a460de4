//! Keeping the catalogue: what is unique, what is listed, and what follows from the log alone.

use std::sync::{Arc, LazyLock};

use albatross::adapters;
use albatross::application::catalogue::ItemFilter;
use albatross::application::derived::{Derivation, DerivationError};
use albatross::application::error::ServiceError;
use albatross::application::identity::Identity;
use albatross::application::paging::Page;
use albatross::application::views::ItemView;
use albatross::application::write::{Idempotency, Outcome, WriteOptions};
use albatross::domain::catalogue::{Aircraft, ScheduledFlight};
use albatross::domain::refusal::RefusalKind;
use albatross::domain::roles::Role;
use albatross::ports::event_store::EventStore;
use jiff::Timestamp;
use uuid::Uuid;

use crate::stage::*;

pub fn aircraft(registration: &str) -> Aircraft {
    Aircraft {
        registration: registration.to_owned(),
        aircraft_type: "B744".to_owned(),
        name: None,
    }
}

pub fn scheduled(number: &str) -> ScheduledFlight {
    ScheduledFlight {
        flight_number: number.to_owned(),
        departure: "LIRF".to_owned(),
        arrival: "LLBG".to_owned(),
        ..ScheduledFlight::default()
    }
}

/// Who may change the catalogue.
pub fn keeper() -> &'static Identity {
    static KEEPER: LazyLock<Identity> =
        LazyLock::new(|| somebody(Uuid::from_u128(0xAD).into(), &[Role::TenantAdmin]));
    &KEEPER
}

async fn added(stage: &Stage, registration: &str) -> ItemView<Aircraft> {
    let fleet = &stage.airline.aircraft;
    let added = fleet.add(keeper(), aircraft(registration), WriteOptions::default());
    added.await.unwrap().entity
}

async fn listed(stage: &Stage, filter: ItemFilter) -> Vec<String> {
    let page = Page {
        limit: 10,
        cursor: None,
    };
    let listed = stage.airline.aircraft.list(filter, page).await.unwrap();
    let details = listed.items.into_iter().map(|it| it.entity.details);
    details.map(|it| it.registration).collect()
}

/// The same over whatever the airline is stored in.
async fn a_registration_is_one_aircrafts(stage: Stage) {
    let (fleet, admin) = (&stage.airline.aircraft, keeper());
    let none = WriteOptions::default;
    let first = added(&stage, "4X-ELC").await;
    let again = fleet.add(admin, aircraft(" 4x-elc"), none()).await;
    assert_eq!(refused(again), ("taken", RefusalKind::Conflict));
    // What it was called before is free from then on.
    let other = added(&stage, "4X-ELD").await;
    let taken = fleet.change(admin, other.clone(), aircraft("4X-ELC"), seen(1));
    assert_eq!(refused(taken.await).0, "taken");
    let renamed = fleet.change(admin, other, aircraft("4X-ELE"), seen(1));
    assert_eq!(renamed.await.unwrap().outcome, Outcome::Changed);
    let successor = added(&stage, "4X-ELD").await;
    // So is that of one that is archived, until it is restored.
    fleet.archive(admin, first.id, none()).await.unwrap();
    let heir = added(&stage, "4X-ELC").await;
    let restored = fleet.restore(admin, first.id, none()).await;
    assert_eq!(refused(restored).0, "taken");
    fleet.archive(admin, heir.id, none()).await.unwrap();
    fleet.restore(admin, first.id, none()).await.unwrap();
    stage.airline.catch_up().await.unwrap();
    let present = listed(&stage, ItemFilter::default()).await;
    assert_eq!(present, ["4X-ELC", "4X-ELD", "4X-ELE"]);
    assert_eq!(fleet.get(successor.id).await.unwrap().version, 1);
    assert_eq!(fleet.get(first.id).await.unwrap().version, 3);
}

#[tokio::test]
async fn a_registration_is_one_aircrafts_in_memory() {
    a_registration_is_one_aircrafts(Stage::new().await).await;
}

#[tokio::test]
async fn a_registration_is_one_aircrafts_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().display());
    let stores = adapters::open(&url).await.unwrap();
    let events = stores.events.clone();
    a_registration_is_one_aircrafts(Stage::over(stores, events).await).await;
}

#[tokio::test]
async fn two_admins_who_change_the_same_are_told() {
    let stage = Stage::new().await;
    let fleet = &stage.airline.aircraft;
    let view = added(&stage, "4X-ELC").await;
    let change = |name: &str, version| {
        let mut details = aircraft("4X-ELC");
        details.name = Some(name.to_owned());
        fleet.change(keeper(), view.clone(), details, seen(version))
    };
    assert_eq!(change("Haifa", 1).await.unwrap().version, 2);
    let late = change("Jaffa", 1).await;
    assert!(matches!(late, Err(ServiceError::Stale { actual: 2 })));
    let blind = fleet.change(
        keeper(),
        view.clone(),
        aircraft("4X-ELC"),
        WriteOptions::default(),
    );
    let blind = blind.await;
    assert!(matches!(blind, Err(ServiceError::PreconditionRequired)));
}

#[tokio::test]
async fn what_is_added_twice_by_one_request_is_one() {
    let stage = Stage::new().await;
    let fleet = &stage.airline.aircraft;
    let options = || WriteOptions {
        idempotency: Some(Idempotency::new(Uuid::nil(), "POST /aircraft", "1", b"a")),
        ..WriteOptions::default()
    };
    let add = || fleet.add(keeper(), aircraft("4X-ELC"), options());
    let (first, again) = (add().await.unwrap(), add().await.unwrap());
    assert_eq!(again.outcome, Outcome::CreatedBefore);
    assert_eq!(again.entity, first.entity);
}

#[tokio::test]
async fn lists_are_searched_filtered_and_leave_out_what_is_archived() {
    let stage = Stage::new().await;
    let fleet = &stage.airline.aircraft;
    added(&stage, "4X-ELD").await;
    let gone = added(&stage, "4X-ELC").await;
    let mut small = aircraft("D-EABC");
    small.aircraft_type = "C172".to_owned();
    small.name = Some("Grüner Ötzi".to_owned());
    let none = WriteOptions::default;
    fleet.add(keeper(), small, none()).await.unwrap();
    fleet.archive(keeper(), gone.id, none()).await.unwrap();
    stage.airline.catch_up().await.unwrap();
    let all = listed(&stage, ItemFilter::default()).await;
    assert_eq!(all, ["4X-ELD", "D-EABC"]);
    let search = |text: &str| ItemFilter {
        search: Some(text.to_owned()),
        ..ItemFilter::default()
    };
    assert_eq!(listed(&stage, search("ÖTZI")).await, ["D-EABC"]);
    assert_eq!(listed(&stage, search("b744")).await, ["4X-ELD"]);
    let typed = ItemFilter {
        codes: vec![("aircraft_type", "c172".to_owned())],
        ..ItemFilter::default()
    };
    assert_eq!(listed(&stage, typed).await, ["D-EABC"]);
    let archived = ItemFilter {
        archived: true,
        ..ItemFilter::default()
    };
    assert_eq!(listed(&stage, archived).await, ["4X-ELC"]);
    let missing = fleet.get(Uuid::new_v4()).await;
    assert_eq!(refused(missing).1, RefusalKind::NotFound);
}

/// Claims that follow from the whole log.
async fn derived(stage: &Stage) -> Result<Vec<(Vec<u8>, Uuid)>, DerivationError> {
    let log: &Arc<dyn EventStore> = &stage.stores.events;
    let events = log.read_after(0, 1_000).await.unwrap();
    let mut derivation = Derivation::new(stage.tenant, &[9; 32], [7; 32]);
    derivation.commit(&events, &[])?;
    Ok(derivation.finish(Timestamp::UNIX_EPOCH)?.claims)
}

#[tokio::test]
async fn claims_follow_from_the_log_alone() {
    let stage = Stage::new().await;
    let none = WriteOptions::default;
    let (fleet, schedule) = (&stage.airline.aircraft, &stage.airline.schedule);
    let other = added(&stage, "4X-ELD").await;
    let gone = added(&stage, "4X-ELE").await;
    let renamed = fleet.change(keeper(), other, aircraft("4X-ELC"), seen(1));
    renamed.await.unwrap();
    fleet.archive(keeper(), gone.id, none()).await.unwrap();
    let flight = schedule.add(keeper(), scheduled("ELY386"), none());
    flight.await.unwrap();
    let claims = derived(&stage).await.unwrap();
    assert_eq!(claims.len(), 2);
    let log = &stage.stores.events;
    for (claim, owner) in claims {
        assert_eq!(log.claim_owner(&claim).await.unwrap(), Some(owner));
    }
    for free in ["aircraft:4X-ELD", "aircraft:4X-ELE"] {
        assert_eq!(log.claim_owner(free.as_bytes()).await.unwrap(), None);
    }
}
