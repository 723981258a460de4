//! PostgreSQL goes away under load: who waits for it is told so, nobody else is held up, and everything goes on.

use std::collections::BTreeSet;

use albatross::adapters::chain;
use albatross_tests::proxy::Mode;
use albatross_tests::replica::Pilot;
use albatross_tests::servers::{PrivateServer, servers};
use albatross_tests::wait::recovered;
use futures::future::join_all;
use rstest::rstest;
use uuid::Uuid;

use crate::site::*;

const CLIENTS: usize = 4;
const EACH: usize = 15;

/// Several clients at once.
async fn load(behind: &Behind, pilot: &Pilot) -> Vec<Uuid> {
    let clients = (0..CLIENTS).map(|_| behind.file(pilot, EACH));
    join_all(clients).await.concat()
}

#[rstest]
#[case::away(AWAY)]
#[case::partitioned(PARTITIONED)]
#[case::unanswered(UNANSWERED)]
#[case::half_open(Fault::HalfOpen)]
#[case::slow(SLOW)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_that_loses_the_database_holds_up_no_other_and_comes_back(#[case] fault: Fault) {
    let site = Site::new().await;
    let (one, other) = (site.replica().await, site.replica().await);
    let pilot = one.replica.pilot("amelia").await.unwrap();
    let mut flights = load(&one, &pilot).await;

    let (through_faults, meanwhile) = tokio::join!(load(&one, &pilot), async {
        fault.begin(&one.postgres);
        let meanwhile = load(&other, &pilot).await;
        one.postgres.set(Mode::Pass);
        meanwhile
    });
    flights.extend([through_faults, meanwhile].concat());
    flights.extend(load(&one, &pilot).await);
    assert_complete(&site, &flights).await;
    for behind in [&one, &other] {
        assert_readable(behind, &pilot, &flights).await;
    }
}

#[rstest]
#[case::told(PrivateServer::stop)]
#[case::killed(PrivateServer::kill)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_that_starts_again_is_only_unavailable_meanwhile(
    #[case] end: fn(&PrivateServer),
) {
    let server = PrivateServer::postgres().await;
    let servers = servers().await;
    let (host, redis) = (servers.virtual_host().await, servers.redis_user().await);
    let site = Site::of(server.database().await, host, redis).await;
    let behind = site.replica().await;
    let pilot = behind.replica.pilot("amelia").await.unwrap();
    let mut flights = load(&behind, &pilot).await;

    let (through_faults, ()) = tokio::join!(load(&behind, &pilot), async {
        end(&server);
        let refused = behind.replica.file(&pilot, Uuid::new_v4()).await;
        println!("meanwhile: {}", refused.status);
        tokio::task::block_in_place(|| server.restart());
    });
    flights.extend(through_faults);
    flights.extend(load(&behind, &pilot).await);
    assert_complete(&site, &flights).await;
    assert_readable(&behind, &pilot, &flights).await;
}

/// A process that holds a lane and vanishes without a word, as with its machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lane_of_a_process_that_vanished_is_taken_over() {
    let site = Site::new().await;
    let (one, other) = (site.replica().await, site.replica().await);
    let held = one.stores.read_model.lock_lane("things").await.unwrap();
    assert!(held.is_some());
    one.postgres.set(Mode::Stall);
    recovered("the lane is free", async || {
        let lane = other.stores.read_model.lock_lane("things").await.unwrap();
        lane.is_some()
    })
    .await;
}

/// Every flight that was acknowledged is in the log, once, and the log is as it was written.
async fn assert_complete(site: &Site, flights: &[Uuid]) {
    let events = site.stores().await.events;
    let verified = chain::verify(&*events).await.unwrap();
    let log = events.read_after(0, usize::MAX).await.unwrap();
    assert_eq!(log.len() as i64, verified.events);
    for flight in flights {
        let filed = log.iter().filter(|event| event.stream_id == *flight);
        assert_eq!(filed.count(), 1, "{flight}");
    }
    let distinct: BTreeSet<_> = log.iter().map(|event| event.event_id).collect();
    assert_eq!(distinct.len(), log.len());
}

/// The read model has caught up, and each replica reads from it.
async fn assert_readable(behind: &Behind, pilot: &Pilot, flights: &[Uuid]) {
    let head = async || behind.stores.events.head().await.ok();
    for flight in flights {
        recovered("a flight can be read", async || match head().await {
            Some(head) => {
                let read = behind.replica.read(pilot, *flight, head.position).await;
                read.is_done()
            }
            None => false,
        })
        .await;
    }
}
