//! What may be done about bids.

use std::collections::BTreeSet;

use albatross::domain::bids::{BidCommand, BidEvent, BidFacts, Bids, LIVES, MOST, stream_of};
use albatross::domain::ids::{BidId, ScheduledFlightId};
use albatross::domain::refusal::RefusalKind;
use jiff::Timestamp;
use uuid::Uuid;

use crate::given::*;

fn bid(number: u128) -> BidId {
    BidId(Uuid::from_u128(number))
}

fn flight(number: u128) -> ScheduledFlightId {
    ScheduledFlightId(Uuid::from_u128(number))
}

fn made(number: u128, to: u128, expires_at: Timestamp) -> BidEvent {
    BidEvent::Made {
        pilot: PILOT,
        bid: bid(number),
        flight: flight(to),
        expires_at,
    }
}

fn make(number: u128, to: u128) -> BidCommand {
    BidCommand::Make {
        bid: bid(number),
        flight: flight(to),
    }
}

fn withdraw(number: u128) -> BidCommand {
    BidCommand::Withdraw { bid: bid(number) }
}

fn later() -> Timestamp {
    now() + LIVES
}

fn scheduled() -> BidFacts {
    BidFacts {
        scheduled: true,
        ..BidFacts::default()
    }
}

fn given(events: impl IntoIterator<Item = BidEvent>) -> Given<Bids> {
    Given::events(events).of(stream_of(PILOT)).with(scheduled())
}

#[test]
fn a_flight_is_booked_for_two_days_and_once() {
    given([])
        .when(pilot(), make(1, 7))
        .then([made(1, 7, later())]);
    let booked = given([made(1, 7, later())]);
    booked.when(pilot(), make(2, 7)).conflicts("already-booked");
    let after = booked.when(pilot(), make(2, 8)).state();
    let open: Vec<_> = after.open(now()).map(|bid| bid.id).collect();
    assert_eq!(open, [bid(1), bid(2)]);
    assert_eq!(after.open(later()).count(), 0);
}

#[test]
fn a_bid_that_was_withdrawn_has_expired_or_was_flown_makes_room() {
    let withdrawn = BidEvent::Withdrawn { bid: bid(1) };
    given([made(1, 7, later()), withdrawn])
        .when(pilot(), make(2, 7))
        .then([made(2, 7, later())]);
    let after = given([made(1, 7, now())]).when(pilot(), make(2, 7)).state();
    assert_eq!(after.bids.len(), 1);
    let flown = BidFacts {
        ended: BTreeSet::from([bid(1)]),
        ..scheduled()
    };
    let flown = given([made(1, 7, later())]).with(flown);
    let after = flown.when(pilot(), make(2, 7)).state();
    assert_eq!(after.bids[0].id, bid(2));
    flown.when(pilot(), withdraw(1)).refused("not-found");
}

#[test]
fn a_bid_is_withdrawn_once() {
    let booked = given([made(1, 7, later())]);
    booked
        .when(pilot(), withdraw(1))
        .then([BidEvent::Withdrawn { bid: bid(1) }]);
    booked.when(pilot(), withdraw(2)).refused("not-found");
    given([]).when(pilot(), withdraw(1)).refused("not-found");
    given([made(1, 7, now())])
        .when(pilot(), withdraw(1))
        .refused("not-found");
}

#[test]
fn everybody_books_for_themselves_what_is_scheduled_and_not_while_suspended() {
    let nothing = given([]);
    nothing.when(stranger(), make(1, 7)).forbidden("not-yours");
    nothing.when(admin(), make(1, 7)).forbidden("not-yours");
    let suspended = BidFacts {
        suspended: true,
        ..scheduled()
    };
    given([])
        .with(suspended)
        .when(pilot(), make(1, 7))
        .forbidden("suspended");
    given([])
        .with(BidFacts::default())
        .when(pilot(), make(1, 7))
        .invalid(&["/flight unknown"]);
}

#[test]
fn a_pilot_holds_so_many_bids_and_no_more() {
    let most = MOST as u128;
    let full = given((0..most).map(|number| made(number, number, later())));
    let refusal = full
        .when(pilot(), make(most, most))
        .refused("too-many-bids");
    assert_eq!(refusal.kind, RefusalKind::LimitReached);
}

#[test]
fn a_bid_ends_with_the_flight_that_flies_it() {
    let mut bids = given([made(1, 7, later()), made(2, 8, later())]).state;
    let bids = bids.as_mut().unwrap();
    bids.end(bid(1));
    bids.end(bid(3));
    let open: Vec<_> = bids.open(now()).map(|bid| bid.id).collect();
    assert_eq!(open, [bid(2)]);
}
