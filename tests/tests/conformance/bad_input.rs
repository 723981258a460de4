//! What is absurd, hostile or from the future: every event store refuses it by name or survives it, and goes on.

use albatross::adapters::chain;
use albatross::ports::credentials::{Credential, CredentialChange, CredentialKind};
use albatross::ports::event_store::{
    Append, AppendError, ClaimChange, MAX_APPEND_BYTES, MAX_EVENTS_PER_APPEND, MAX_PAGE_BYTES,
    MAX_PAYLOAD_BYTES, SubjectKey,
};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use uuid::Uuid;

use crate::fixture::*;

fn take(claim: Vec<u8>, owner: Uuid) -> ClaimChange {
    ClaimChange::Take { claim, owner }
}

fn credential(id: String) -> Credential {
    Credential {
        kind: CredentialKind::Session,
        id,
        subject: Uuid::new_v4(),
        verifier: Vec::new(),
        data: serde_json::Value::Null,
        created_at: time(1),
        expires_at: None,
        last_used_at: None,
    }
}

fn put(change: impl FnOnce(&mut Credential)) -> Vec<CredentialChange> {
    let mut credential = credential("id".to_owned());
    change(&mut credential);
    vec![CredentialChange::Put(credential)]
}

/// Appends that every store refuses, each with a word of the reason.
fn refused() -> Vec<(&'static str, Append)> {
    let stream = Uuid::new_v4();
    let plain = |count| append(stream, 0, count);
    let changed = |change: fn(&mut Append)| {
        let mut append = plain(2);
        change(&mut append);
        append
    };
    let subject = stream;
    let key = |size| SubjectKey {
        subject,
        wrapped: vec![0; size],
    };
    let mut whole = plain(17);
    for event in &mut whole.events {
        event.payload = vec![0; MAX_PAYLOAD_BYTES];
    }
    vec![
        ("at least one event", plain(0)),
        ("at most 1000 events", plain(MAX_EVENTS_PER_APPEND + 1)),
        ("version", append(stream, -1, 1)),
        ("version", append(stream, i32::MAX, 1)),
        (
            "256 KiB",
            changed(|a| a.events[0].payload = vec![0; MAX_PAYLOAD_BYTES + 1]),
        ),
        ("4 MiB", whole),
        (
            "4 MiB",
            changed(|a| a.credentials = put(|c| c.verifier = vec![0; MAX_APPEND_BYTES])),
        ),
        (
            "4 MiB",
            Append {
                subject_keys: vec![key(MAX_APPEND_BYTES)],
                ..plain(1)
            },
        ),
        (
            "occurs twice",
            Append {
                subject_keys: vec![key(1), key(1)],
                ..plain(1)
            },
        ),
        (
            "occurs twice",
            changed(|a| a.events[1].event_id = a.events[0].event_id),
        ),
        (
            "occurs twice",
            changed(|a| a.claims = vec![take(vec![1], a.stream_id), take(vec![1], a.command_id)]),
        ),
        (
            "a claim",
            changed(|a| a.claims = vec![take(vec![1; 257], a.stream_id)]),
        ),
        ("an actor", changed(|a| a.actor = "x".repeat(201))),
        ("an actor", changed(|a| a.actor = "a\0b".into())),
        ("a time", changed(|a| a.recorded_at = Timestamp::MIN)),
        (
            "a time",
            changed(|a| a.recorded_at = "-000001-01-01T00:00:00Z".parse().unwrap()),
        ),
        (
            "a time",
            changed(|a| a.recorded_at += SignedDuration::from_nanos(1)),
        ),
        (
            "a credential",
            changed(|a| a.credentials = put(|c| c.id = "x".repeat(257))),
        ),
        (
            "a credential",
            changed(|a| a.credentials = put(|c| c.id = "a\0b".into())),
        ),
        (
            "a credential",
            changed(|a| a.credentials = put(|c| c.created_at = Timestamp::MIN)),
        ),
        (
            "a credential",
            changed(|a| a.credentials = put(|c| c.expires_at = Some(Timestamp::MIN))),
        ),
    ]
}

#[rstest]
#[tokio::test]
async fn an_append_of_wrong_shape_is_refused_by_name(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    for (reason, append) in refused() {
        match storage.events.append(append).await {
            Err(AppendError::Invalid(why)) => assert!(why.contains(reason), "{reason}: {why}"),
            other => panic!("{reason}: {other:?}"),
        }
    }
    assert_eq!(storage.events.head().await.unwrap().position, 0);
}

#[rstest]
#[tokio::test]
async fn the_largest_append_fits(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = storage(adapter).await;
    let stream = Uuid::new_v4();
    let many = append(stream, 0, MAX_EVENTS_PER_APPEND);
    let appended = storage.events.append(many).await.unwrap();
    assert_eq!(appended.position, MAX_EVENTS_PER_APPEND as i64);
    let count = MAX_APPEND_BYTES / MAX_PAYLOAD_BYTES;
    let mut large = append(stream, appended.version, count);
    for event in &mut large.events {
        event.payload = vec![7; MAX_PAYLOAD_BYTES];
    }
    storage.events.append(large.clone()).await.unwrap();
    let read = storage.events.read_stream(stream, appended.version).await;
    assert_eq!(
        read.unwrap()[count - 1].payload,
        large.events[count - 1].payload
    );
    let edges = Append {
        actor: "x".repeat(200),
        claims: vec![take(vec![9; 256], stream)],
        credentials: vec![CredentialChange::Put(credential("x".repeat(256)))],
        ..append(Uuid::new_v4(), 0, 1)
    };
    storage.events.append(edges).await.unwrap();
    let owner = storage.events.claim_owner(&[9; 256]).await.unwrap();
    assert_eq!(owner, Some(stream));
    chain::verify(&*storage.events).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn one_bad_append_takes_no_other_with_it(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let good = (0..20).map(|_| append(Uuid::new_v4(), 0, 1));
    let bad = refused().into_iter().map(|(_, append)| append);
    let count = bad.len();
    let outcomes = join_all(good.chain(bad).map(|a| storage.events.append(a))).await;
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 20);
    let invalid = |o: &&Result<_, AppendError>| matches!(o, Err(AppendError::Invalid(_)));
    assert_eq!(outcomes.iter().filter(invalid).count(), count);
}

/// The log orders by position alone, and looks neither into times nor into types and payloads.
#[rstest]
#[tokio::test]
async fn events_from_the_future_and_from_the_past_are_kept_as_they_came(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let times = [
        time(1_700_000_000_000_000),
        "9999-12-30T22:00:00.999999Z".parse().unwrap(),
        "0001-01-01T00:00:00Z".parse().unwrap(),
        time(0),
        time(-1),
    ];
    let stream = Uuid::new_v4();
    for (recorded_at, version) in times.into_iter().zip(0..) {
        let mut append = Append {
            recorded_at,
            ..append(stream, version, 1)
        };
        append.events[0].kind = [i16::MAX, i16::MIN, 0][version as usize % 3];
        append.events[0].schema = [i16::MAX, i16::MIN, 0][version as usize % 3];
        append.events[0].payload = vec![0xff; version as usize];
        let appended = storage.events.append(append).await.unwrap();
        assert_eq!(appended.position, i64::from(version) + 1);
    }
    let log = storage.events.read_after(0, 10).await.unwrap();
    let found: Vec<_> = log.iter().map(|event| event.recorded_at).collect();
    assert_eq!(found, times);
    assert_eq!((log[1].kind, log[1].schema), (i16::MIN, i16::MIN));
    assert_eq!(log[4].payload, [0xff; 4]);
    assert_eq!(chain::verify(&*storage.events).await.unwrap().events, 5);
}

#[rstest]
#[tokio::test]
async fn an_id_that_comes_again_elsewhere_is_another_event(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
    let first = append(one, 0, 2);
    storage.events.append(first.clone()).await.unwrap();
    let elsewhere = Append {
        stream_id: other,
        ..first.clone()
    };
    let later = Append {
        expected_version: 2,
        ..first.clone()
    };
    assert_eq!(storage.events.append(elsewhere).await.unwrap().position, 4);
    assert_eq!(storage.events.append(later).await.unwrap().position, 6);
    assert_eq!(
        storage.events.append(first.clone()).await.unwrap().position,
        2
    );
    // Not these very events: an answer of success would be about events that are not there.
    let mut half = first.clone();
    half.events[1].event_id = Uuid::new_v4();
    let mut part = first.clone();
    part.events.truncate(1);
    let mut more = first;
    more.events.push(new_event());
    let conflict = |outcome| matches!(outcome, Err(AppendError::Conflict { actual: 4 }));
    assert!(conflict(storage.events.append(half).await));
    assert!(conflict(storage.events.append(more).await));
    // A part from the front is there, and told where it ends.
    assert_eq!(storage.events.append(part).await.unwrap().position, 1);
    assert_eq!(storage.events.head().await.unwrap().position, 6);
}

/// However large events are, and however many are asked for.
#[rstest]
#[tokio::test]
async fn a_page_holds_so_many_bytes_and_the_next_goes_on_behind_it(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let most = MAX_PAGE_BYTES / MAX_PAYLOAD_BYTES;
    for _ in 0..3 {
        let mut append = append(Uuid::new_v4(), 0, most / 2);
        for event in &mut append.events {
            event.payload = vec![7; MAX_PAYLOAD_BYTES - 1];
        }
        storage.events.append(append).await.unwrap();
    }
    let mut positions = Vec::new();
    let mut pages = Vec::new();
    loop {
        let after = positions.last().copied().unwrap_or(0);
        let page = storage.events.read_after(after, usize::MAX).await.unwrap();
        if page.is_empty() {
            break;
        }
        pages.push(page.len());
        positions.extend(page.iter().map(|event| event.position));
    }
    assert_eq!(pages, [most + 1, most / 2 - 1]);
    assert!(positions.into_iter().eq(1..=3 * (most as i64 / 2)));
    // The connection that was left in the middle of an answer serves on.
    let verified = chain::verify(&*storage.events).await.unwrap();
    assert_eq!(verified.commits, 3);
}

#[rstest]
#[tokio::test]
async fn absurd_questions_have_empty_answers(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = storage(adapter).await;
    let stream = Uuid::new_v4();
    let store = &storage.events;
    store.append(append(stream, 0, 3)).await.unwrap();
    for (position, limit, found) in [
        (0, usize::MAX, 3),
        (i64::MIN, 2, 2),
        (i64::MAX, usize::MAX, 0),
        (0, 0, 0),
    ] {
        assert_eq!(
            store.read_after(position, limit).await.unwrap().len(),
            found
        );
        let links = store.chain_after(position, limit).await.unwrap().len();
        assert_eq!(links, found.min(1));
    }
    for (version, found) in [(i32::MIN, 3), (-1, 3), (i32::MAX, 0)] {
        assert_eq!(
            store.read_stream(stream, version).await.unwrap().len(),
            found
        );
    }
    assert!(store.subject_keys(&[]).await.unwrap().is_empty());
    let many: Vec<Uuid> = (0..10_000).map(|_| Uuid::new_v4()).collect();
    assert!(store.subject_keys(&many).await.unwrap().is_empty());
    assert_eq!(store.claim_owner(&[]).await.unwrap(), None);
    assert_eq!(
        store.claim_owner(&vec![0; 1024 * 1024]).await.unwrap(),
        None
    );
}
