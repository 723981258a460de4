//! A client that asks again while its first request is still under way.

use std::sync::{Arc, Mutex};

use albatross::adapters::memory;
use albatross::application::airline::Airline;
use albatross::application::error::ServiceError;
use albatross::application::identity::Identity;
use albatross::application::pireps::Submit;
use albatross::application::write::{Idempotency, WriteOptions};
use albatross::domain::pirep::PirepCommand;
use albatross::domain::review::{Answer, Rule};
use futures::FutureExt;
use futures::future::BoxFuture;
use uuid::Uuid;

use crate::catalogue::{aircraft, keeper, scheduled};
use crate::desired::{apply, nothing};
use crate::faulty_log::FaultyLog;
use crate::stage::*;

/// Two processes of one airline; what the first asks of its log can be overtaken by the second.
struct Retry {
    here: Stage,
    there: Stage,
    log: Arc<FaultyLog>,
    bob: Identity,
}

fn named(if_match: Option<i32>) -> WriteOptions {
    WriteOptions {
        idempotency: Some(Idempotency::new(Uuid::nil(), "route", "1", b"body")),
        if_match,
        ..WriteOptions::default()
    }
}

type Position = BoxFuture<'static, Result<i64, ServiceError>>;

impl Retry {
    async fn new() -> Self {
        let stores = memory::open();
        let log = FaultyLog::new(stores.events.clone());
        let here = Stage::over(stores.clone(), log.clone()).await;
        let there = Stage::over(stores.clone(), stores.events.clone()).await;
        apply(&here, nothing(1)).await;
        let bob = here.pilot("Bob").await;
        Self {
            here,
            there,
            log,
            bob,
        }
    }

    /// Answers where the request is in the log: the second has looked for the first, which commits only then.
    async fn overtaken(&self, request: impl Fn(Arc<Airline>) -> Position) {
        let first = request(self.there.airline.clone());
        let found = Arc::new(Mutex::new(None));
        let told = found.clone();
        *self.log.after_request.lock().unwrap() = Some(Box::pin(async move {
            *told.lock().unwrap() = Some(first.await.unwrap());
        }));
        let second = request(self.here.airline.clone()).await;
        let first = found.lock().unwrap().take();
        assert_eq!(second.unwrap(), first.expect("the first was let in"));
    }
}

#[tokio::test]
async fn a_bid_is_made_and_given_up_once() {
    let retry = Retry::new().await;
    let schedule = &retry.here.airline.schedule;
    let flight = schedule.add(keeper(), scheduled("ELY386"), WriteOptions::default());
    let flight = flight.await.unwrap().entity.id.into();
    let bob = &retry.bob;
    let make = |airline: Arc<Airline>| {
        let bob = bob.clone();
        let made = async move { airline.bidding.make(&bob, flight, named(None)).await };
        made.map(|made| made.map(|made| made.position)).boxed()
    };
    retry.overtaken(make).await;
    retry.here.airline.catch_up().await.unwrap();
    let bids = retry.here.airline.bidding.list(bob).await.unwrap();
    let bid = bids[0].id;
    let withdraw = |airline: Arc<Airline>| {
        let (bob, mut options) = (bob.clone(), named(None));
        options.idempotency = Some(Idempotency::new(Uuid::nil(), "route", "2", b"body"));
        async move { airline.bidding.withdraw(&bob, bid, options).await }.boxed()
    };
    retry.overtaken(withdraw).await;
}

#[tokio::test]
async fn rules_are_changed_and_things_archived_at_the_version_that_was_seen() {
    let retry = Retry::new().await;
    let version = retry.here.airline.rules.get().await.unwrap().version;
    let change = |airline: Arc<Airline>| {
        let rule = Rule::MaxTrackGap {
            most_s: 60,
            otherwise: Answer::Hold,
        };
        let rules = async move {
            let rules = &airline.rules;
            rules
                .change(keeper(), vec![rule], named(Some(version)))
                .await
        };
        rules.map(|rules| rules.map(|rules| rules.position)).boxed()
    };
    retry.overtaken(change).await;

    let retry = Retry::new().await;
    let fleet = &retry.here.airline.aircraft;
    let added = fleet.add(keeper(), aircraft("4X-ELC"), WriteOptions::default());
    let added = added.await.unwrap();
    let archive = |airline: Arc<Airline>| {
        let (id, version) = (added.entity.id, added.version);
        let archived = async move {
            let fleet = &airline.aircraft;
            fleet.archive(keeper(), id, named(Some(version))).await
        };
        archived.map(|it| it.map(|it| it.position)).boxed()
    };
    retry.overtaken(archive).await;
}

#[tokio::test]
async fn a_flight_is_submitted_once_also_when_somebody_else_wrote_between() {
    let retry = Retry::new().await;
    let (bob, log) = (retry.bob.clone(), retry.log.clone());
    let id = retry.here.prefiled(&bob).await.entity.id;
    let (there, by_bob, again) = (retry.there.airline.clone(), bob.clone(), log.clone());
    *log.meanwhile.lock().unwrap() = Some(Box::pin(async move {
        let comment = PirepCommand::Comment {
            comment: "on my way".to_owned(),
        };
        let commented = there
            .pireps
            .act(&by_bob, id, comment, WriteOptions::default());
        commented.await.unwrap();
        *again.before_read.lock().unwrap() = Some(Box::pin(async move {
            let first = there
                .pireps
                .submit(&by_bob, id, Submit::default(), named(None));
            assert_eq!(first.await.unwrap().version, 3);
        }));
    }));
    let pireps = &retry.here.airline.pireps;
    let second = pireps
        .submit(&bob, id, Submit::default(), named(None))
        .await;
    assert_eq!(second.unwrap().version, 3);
}
