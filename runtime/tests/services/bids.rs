//! Booking flights: until a PIREP that flies the booking is submitted or cancelled, or it expires.

use albatross::adapters;
use albatross::application::bidding::BidView;
use albatross::application::error::ServiceError;
use albatross::application::identity::Identity;
use albatross::application::pireps::{FilePirep, Submit};
use albatross::application::projections::lane::Lane;
use albatross::application::write::{Idempotency, Outcome, WriteOptions};
use albatross::domain::bids::{BidEvent, LIVES, stream_of};
use albatross::domain::ids::{BidId, PirepId, ScheduledFlightId};
use albatross::domain::pirep::PirepCommand;
use albatross::domain::refusal::RefusalKind;
use albatross::domain::roles::Role;
use uuid::Uuid;

use crate::catalogue::{keeper, scheduled};
use crate::stage::*;

const NONE: fn() -> WriteOptions = WriteOptions::default;

async fn schedule(stage: &Stage, number: &str) -> ScheduledFlightId {
    let schedule = &stage.airline.schedule;
    let added = schedule.add(keeper(), scheduled(number), NONE()).await;
    let id = added.unwrap().entity.id;
    stage.airline.catch_up().await.unwrap();
    id.into()
}

async fn made(stage: &Stage, pilot: &Identity, flight: ScheduledFlightId) -> BidView {
    let made = stage.airline.bidding.make(pilot, flight, NONE()).await;
    let made = made.unwrap().entity;
    stage.airline.catch_up().await.unwrap();
    made
}

async fn open(stage: &Stage, pilot: &Identity) -> Vec<BidId> {
    stage.airline.catch_up().await.unwrap();
    let bids = stage.airline.bidding.list(pilot).await.unwrap();
    bids.into_iter().map(|bid| bid.id).collect()
}

fn on(bid: BidId) -> FilePirep {
    FilePirep {
        bid: Some(bid),
        ..flight("ELY386")
    }
}

async fn filed(stage: &Stage, pilot: &Identity, bid: BidId) -> PirepId {
    let filed = stage.airline.pireps.create(pilot, on(bid), NONE()).await;
    filed.unwrap().entity.id
}

/// The same over whatever the airline is stored in.
async fn a_bid_ends_with_its_flight(stage: Stage) {
    let bob = stage.pilot("Bob").await;
    let (east, west) = (
        schedule(&stage, "ELY386").await,
        schedule(&stage, "ELY385").await,
    );
    let (first, second) = (
        made(&stage, &bob, east).await,
        made(&stage, &bob, west).await,
    );
    assert_eq!(first.flight.entity.details.flight_number, "ELY386");
    let flown = filed(&stage, &bob, first.id).await;
    // Being flown it is booked still.
    assert_eq!(open(&stage, &bob).await, [first.id, second.id]);
    let pireps = &stage.airline.pireps;
    let submitted = pireps.submit(&bob, flown, Submit::default(), NONE()).await;
    let pirep = submitted.unwrap().entity.pirep;
    assert_eq!(
        (pirep.bid, pirep.scheduled_flight),
        (Some(first.id), Some(east))
    );
    assert_eq!(open(&stage, &bob).await, [second.id]);
    let given_up = filed(&stage, &bob, second.id).await;
    let cancelled = pireps
        .act(
            &bob,
            given_up,
            PirepCommand::Cancel { reason: None },
            NONE(),
        )
        .await;
    cancelled.unwrap();
    assert!(open(&stage, &bob).await.is_empty());
    // A flight is booked again, and what a flight of before does to its bid is nothing to this one.
    let again = made(&stage, &bob, east).await;
    pireps
        .act(&bob, flown, PirepCommand::Cancel { reason: None }, NONE())
        .await
        .unwrap();
    assert_eq!(open(&stage, &bob).await, [again.id]);
    let rebuilt = stage.airline.rebuild(Lane::Flights, &mut |_, _| {}).await;
    rebuilt.unwrap();
    assert_eq!(open(&stage, &bob).await, [again.id]);
}

#[tokio::test]
async fn a_bid_ends_with_its_flight_in_memory() {
    a_bid_ends_with_its_flight(Stage::new().await).await;
}

#[tokio::test]
async fn a_bid_ends_with_its_flight_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().display());
    let stores = adapters::open(&url).await.unwrap();
    let events = stores.events.clone();
    a_bid_ends_with_its_flight(Stage::over(stores, events).await).await;
}

#[tokio::test]
async fn a_bid_expires() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let flight = schedule(&stage, "ELY386").await;
    let bid = made(&stage, &bob, flight).await;
    stage
        .clock
        .advance(LIVES - jiff::SignedDuration::from_secs(1));
    assert_eq!(open(&stage, &bob).await, [bid.id]);
    stage.clock.advance(jiff::SignedDuration::from_secs(1));
    assert!(open(&stage, &bob).await.is_empty());
    // Whoever has flown it meanwhile files it all the same.
    let late = stage.airline.pireps.create(&bob, on(bid.id), NONE()).await;
    let warnings = late.unwrap().entity.warnings;
    assert_eq!(warnings[0].code, "bid-not-open");
    let again = made(&stage, &bob, flight).await;
    assert_eq!(open(&stage, &bob).await, [again.id]);
}

#[tokio::test]
async fn nobody_flies_or_withdraws_somebody_elses_bid() {
    let stage = Stage::new().await;
    let [bob, eve] = [stage.pilot("Bob").await, stage.pilot("Eve").await];
    let flight = schedule(&stage, "ELY386").await;
    let bid = made(&stage, &bob, flight).await;
    // Several may book the same flight.
    made(&stage, &eve, flight).await;
    let pireps = &stage.airline.pireps;
    let theirs = filed(&stage, &eve, bid.id).await;
    let submitted = pireps.submit(&eve, theirs, Submit::default(), NONE());
    assert_eq!(submitted.await.unwrap().entity.pirep.scheduled_flight, None);
    assert_eq!(open(&stage, &bob).await, [bid.id]);
    let bidding = &stage.airline.bidding;
    let withdrawn = bidding.withdraw(&eve, bid.id, NONE()).await;
    assert_eq!(refused(withdrawn).1, RefusalKind::NotFound);
    bidding.withdraw(&bob, bid.id, NONE()).await.unwrap();
    assert!(open(&stage, &bob).await.is_empty());
}

#[tokio::test]
async fn what_is_not_scheduled_is_neither_booked_nor_flown() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let bidding = &stage.airline.bidding;
    // Nothing, and something else.
    for id in [Uuid::new_v4(), bob.user().0] {
        let unknown = bidding.make(&bob, id.into(), NONE()).await;
        assert!(matches!(refused(unknown).1, RefusalKind::Invalid { .. }));
        let mut new = flight("ELY386");
        new.scheduled_flight = Some(id.into());
        let filed = stage.airline.pireps.create(&bob, new, NONE()).await;
        assert!(matches!(refused(filed).1, RefusalKind::Invalid { .. }));
    }
    let gone = schedule(&stage, "ELY386").await;
    let archived = stage.airline.schedule.archive(keeper(), gone.0, NONE());
    archived.await.unwrap();
    let late = bidding.make(&bob, gone, NONE()).await;
    assert!(matches!(refused(late).1, RefusalKind::Invalid { .. }));
}

#[tokio::test]
async fn a_repeated_request_books_and_files_once() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let flight = schedule(&stage, "ELY386").await;
    let options = |route: &str| WriteOptions {
        idempotency: Some(Idempotency::new(bob.user().0, route, "1", b"a")),
        ..NONE()
    };
    let (bidding, pireps) = (&stage.airline.bidding, &stage.airline.pireps);
    let make = || bidding.make(&bob, flight, options("POST /bids"));
    let (first, again) = (make().await.unwrap(), make().await.unwrap());
    assert_eq!(again.outcome, Outcome::CreatedBefore);
    assert_eq!(again.entity.id, first.entity.id);
    let file = || pireps.create(&bob, on(first.entity.id), options("POST /pireps"));
    let filed = file().await.unwrap();
    let id = filed.entity.id;
    pireps
        .submit(&bob, id, Submit::default(), NONE())
        .await
        .unwrap();
    stage.airline.catch_up().await.unwrap();
    // The bid has ended by now: that is no reason to answer otherwise.
    let repeated = file().await.unwrap();
    assert_eq!(
        (repeated.outcome, repeated.entity.id),
        (Outcome::CreatedBefore, id)
    );
    let other = pireps.put(&bob, id, on(BidId(Uuid::new_v4())), NONE());
    assert!(matches!(
        refused(other.await).1,
        RefusalKind::Invalid { .. }
    ));
    let same = pireps.put(&bob, id, on(first.entity.id), NONE()).await;
    assert_eq!(same.unwrap().outcome, Outcome::Repeated);
}

#[tokio::test]
async fn bids_that_were_made_and_withdrawn_for_years_end_with_what_is_booked() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let [east, west] = [
        schedule(&stage, "ELY386").await,
        schedule(&stage, "ELY385").await,
    ];
    let first = made(&stage, &bob, east).await;
    let other = BidEvent::Withdrawn {
        bid: BidId(Uuid::new_v4()),
    };
    let stream = stream_of(bob.user());
    stage.prolong(stream, other, 19_999).await;
    let second = made(&stage, &bob, west).await;
    assert_eq!(open(&stage, &bob).await, [first.id, second.id]);
    let bidding = &stage.airline.bidding;
    bidding.withdraw(&bob, second.id, NONE()).await.unwrap();
    let refused_bid = bidding.make(&bob, west, NONE()).await;
    let expected = ("too-many-changes", RefusalKind::LimitReached);
    assert_eq!(refused(refused_bid), expected);
    // What is booked is flown, and whoever books nothing flies all the same.
    let flown = filed(&stage, &bob, first.id).await;
    let pireps = &stage.airline.pireps;
    let submitted = pireps.submit(&bob, flown, Submit::default(), NONE()).await;
    assert_eq!(submitted.unwrap().entity.pirep.scheduled_flight, Some(east));
    stage.submitted(&bob).await;
}

#[tokio::test]
async fn two_requests_at_once_book_a_flight_once() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let flight = schedule(&stage, "ELY386").await;
    let bidding = &stage.airline.bidding;
    let make = || bidding.make(&bob, flight, NONE());
    let answers: [Result<_, ServiceError>; 3] = tokio::join!(make(), make(), make()).into();
    let made = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(made, 1);
    assert_eq!(open(&stage, &bob).await.len(), 1);
}

#[tokio::test]
async fn an_erased_pilots_bids_hold_nothing_personal() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let flight = schedule(&stage, "ELY386").await;
    made(&stage, &bob, flight).await;
    let host = somebody(Uuid::nil().into(), &[Role::TenantAdmin]);
    let erasure = &stage.airline.erasure;
    erasure.erase(&host, bob.user(), NONE()).await.unwrap();
    stage.airline.catch_up().await.unwrap();
    let all = rows(&*stage.stores.read_model).await;
    let bids = all.into_iter().filter(|(table, _)| *table == "bids");
    let documents: Vec<String> = bids.map(|(_, row)| row.document).collect();
    assert_eq!(documents.len(), 1);
    for word in ["Bob", "bob"] {
        assert!(!documents[0].contains(word), "{}", documents[0]);
    }
}
