//! What event stores promise to many callers at once.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use albatross::adapters::{Stores, chain, open};
use albatross::ports::event_store::{Append, AppendError, ClaimChange};
use futures::future::join_all;
use rstest::rstest;
use uuid::Uuid;

use crate::fixture::*;

const WRITERS: usize = 32;
const ROUNDS: i32 = 20;

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_skips_nothing_while_many_write(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    // A second opening stands for another process with a combiner of its own.
    let second = match adapter {
        Memory => storage.stores.clone(),
        Sqlite | Postgres => open(&storage.url).await.unwrap(),
    };
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(poll(storage.stores.clone(), done.clone()));
    let writers = (0..WRITERS).map(|n| {
        let stores = if n % 2 == 0 {
            storage.stores.clone()
        } else {
            second.clone()
        };
        tokio::spawn(write(stores))
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    done.store(true, Ordering::Release);
    let seen = reader.await.unwrap();
    let log = storage.events.read_after(0, usize::MAX / 4).await.unwrap();
    assert_eq!(log.len(), WRITERS * ROUNDS as usize * 3 / 2);
    assert!(
        log.iter()
            .zip(1..)
            .all(|(event, position)| event.position == position)
    );
    let ids: Vec<Uuid> = log.iter().map(|event| event.event_id).collect();
    assert_eq!(
        seen, ids,
        "the reader saw each event once, in the log's order"
    );
    let verified = chain::verify(&*storage.events).await.unwrap();
    assert_eq!(verified.events, log.len() as i64);
    let appends = (WRITERS * ROUNDS as usize) as i64;
    match adapter {
        Memory => assert_eq!(verified.commits, appends),
        _ => assert!(verified.commits < appends, "appends share commits"),
    }
}

/// What one process remembers of the log's end, the other has made untrue each time.
#[rstest]
#[tokio::test]
async fn two_processes_take_turns_event_by_event(#[values(Sqlite, Postgres)] adapter: Adapter) {
    let storage = storage(adapter).await;
    let second = open(&storage.url).await.unwrap();
    let stream = Uuid::new_v4();
    for version in 0..12 {
        let (writer, rival) = match version % 3 {
            0 => (&second, &storage.stores),
            _ => (&storage.stores, &second),
        };
        let appended = writer.events.append(append(stream, version, 1)).await;
        assert_eq!(appended.unwrap().position, i64::from(version) + 1);
        let refused = rival.events.append(append(stream, version, 1)).await;
        let expected = version + 1;
        assert!(
            matches!(refused, Err(AppendError::Conflict { actual }) if actual == expected),
            "{refused:?}"
        );
    }
    let verified = chain::verify(&*storage.events).await.unwrap();
    assert_eq!((verified.events, verified.commits), (12, 12));
}

/// One or two events a round, on a stream of its own.
async fn write(stores: Stores) {
    let (stream, mut version) = (Uuid::new_v4(), 0);
    for round in 0..ROUNDS {
        let count = 1 + (round % 2) as usize;
        let appended = stores
            .events
            .append(append(stream, version, count))
            .await
            .unwrap();
        version += count as i32;
        assert_eq!(appended.version, version);
    }
}

async fn poll(stores: Stores, done: Arc<AtomicBool>) -> Vec<Uuid> {
    let (mut seen, mut position) = (Vec::new(), 0);
    loop {
        let finished = done.load(Ordering::Acquire);
        let page = stores.events.read_after(position, 100).await.unwrap();
        if page.is_empty() && finished {
            return seen;
        }
        for event in page {
            assert_eq!(event.position, position + 1, "a gap was visible");
            position = event.position;
            seen.push(event.event_id);
        }
        tokio::task::yield_now().await;
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_rivals_for_one_version_exactly_one_wins(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let stream = Uuid::new_v4();
    for version in 0..10 {
        let rivals = (0..16).map(|_| storage.events.append(append(stream, version, 1)));
        let (won, lost): (Vec<_>, Vec<_>) =
            join_all(rivals).await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        for refused in lost {
            assert!(
                matches!(refused, Err(AppendError::Conflict { actual }) if actual == version + 1)
            );
        }
    }
    assert_eq!(storage.events.head().await.unwrap().position, 10);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_rivals_for_one_claim_exactly_one_wins(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let rivals = (0..16).map(|_| {
        let owner = Uuid::new_v4();
        let claims = vec![ClaimChange::Take {
            claim: b"callsign".to_vec(),
            owner,
        }];
        storage.events.append(Append {
            claims,
            ..append(owner, 0, 1)
        })
    });
    let outcomes = join_all(rivals).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let refused = |o: &&Result<_, AppendError>| matches!(o, Err(AppendError::ClaimTaken { .. }));
    assert_eq!(outcomes.iter().filter(refused).count(), 15);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_append_sent_many_times_at_once_is_stored_once(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let one = append(Uuid::new_v4(), 0, 2);
    let answers = join_all((0..16).map(|_| storage.events.append(one.clone()))).await;
    let distinct: HashSet<i64> = answers.into_iter().map(|a| a.unwrap().position).collect();
    assert_eq!(distinct, HashSet::from([2]));
}

#[rstest]
#[tokio::test]
async fn a_dropped_caller_does_not_cancel_its_append(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let stream = Uuid::new_v4();
    let mut watch = storage.events.appended();
    {
        let mut begun = storage.events.append(append(stream, 0, 1));
        // Polled once, so that it has begun; then dropped.
        let _ = futures::poll!(&mut begun);
    }
    // The next append to the stream comes behind the first one.
    storage.events.append(append(stream, 1, 1)).await.unwrap();
    assert!(watch.borrow_and_update().position >= 1);
    assert_eq!(
        storage.events.read_stream(stream, 0).await.unwrap().len(),
        2
    );
}
