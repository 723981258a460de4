//! What every event store promises to one caller.

use albatross::ports::credentials::{Credential, CredentialChange, CredentialKind};
use albatross::ports::event_store::{
    Append, AppendError, Appended, ClaimChange, ClientRequest, RecordedEvent, SubjectKey,
    Undecodable,
};
use rstest::rstest;
use sqlx::{Connection, PgConnection, SqliteConnection, query};
use uuid::Uuid;

use crate::fixture::*;

#[rstest]
#[tokio::test]
async fn of_many_who_read_at_once_each_gets_what_it_asked_for(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let streams: Vec<(Uuid, i32)> = (0..20).map(|n| (Uuid::new_v4(), n % 5)).collect();
    for (stream, count) in &streams {
        if *count > 0 {
            let append = append(*stream, 0, *count as usize);
            storage.events.append(append).await.unwrap();
        }
    }
    let asked = streams.iter().flat_map(|(stream, count)| {
        let events = &storage.events;
        (0..3).map(move |after| async move {
            let read = events.read_stream(*stream, after).await.unwrap();
            assert!(read.iter().all(|event| event.stream_id == *stream));
            let versions: Vec<i32> = read.iter().map(|event| event.version).collect();
            assert!(versions.into_iter().eq(after + 1..=*count), "{stream}");
        })
    });
    futures::future::join_all(asked).await;
}

#[rstest]
#[tokio::test]
async fn what_is_appended_is_read_as_it_was(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = storage(adapter).await;
    let stream = Uuid::new_v4();
    let mut first = append(stream, 0, 2);
    first.causation_id = Some(Uuid::new_v4());
    first.events[1].payload = vec![0, 255, 10];
    let other = append(Uuid::new_v4(), 0, 1);
    let second = append(stream, 2, 1);
    let appended = storage.events.append(first.clone()).await.unwrap();
    assert_eq!(
        appended,
        Appended {
            version: 2,
            position: 2
        }
    );
    let appended = storage.events.append(other.clone()).await.unwrap();
    assert_eq!(
        appended,
        Appended {
            version: 1,
            position: 3
        }
    );
    let appended = storage.events.append(second.clone()).await.unwrap();
    assert_eq!(
        appended,
        Appended {
            version: 3,
            position: 4
        }
    );

    let log = storage.events.read_after(0, 100).await.unwrap();
    let expected = [
        recorded(&first, 0, 1),
        recorded(&first, 1, 2),
        recorded(&other, 0, 3),
        recorded(&second, 0, 4),
    ];
    assert_eq!(log, expected);
    assert_eq!(
        storage.events.read_after(1, 2).await.unwrap(),
        expected[1..3]
    );
    assert!(storage.events.read_after(4, 10).await.unwrap().is_empty());

    let of_stream = storage.events.read_stream(stream, 0).await.unwrap();
    assert_eq!(
        of_stream,
        [&expected[0], &expected[1], &expected[3]].map(Clone::clone)
    );
    let tail = storage.events.read_stream(stream, 2).await.unwrap();
    assert_eq!(tail, expected[3..]);
    assert!(
        storage
            .events
            .read_stream(stream, 3)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        storage
            .events
            .read_stream(Uuid::new_v4(), 0)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(storage.events.head().await.unwrap().position, 4);
}

fn recorded(append: &Append, index: usize, position: i64) -> RecordedEvent {
    let event = &append.events[index];
    RecordedEvent {
        position,
        stream_id: append.stream_id,
        version: append.expected_version + 1 + index as i32,
        kind: event.kind,
        schema: event.schema,
        event_id: event.event_id,
        command_id: append.command_id,
        causation_id: append.causation_id,
        correlation_id: append.correlation_id,
        actor: append.actor.clone(),
        recorded_at: append.recorded_at,
        payload: event.payload.clone(),
    }
}

#[rstest]
#[tokio::test]
async fn a_wrong_version_conflicts_and_writes_nothing(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let stream = Uuid::new_v4();
    storage.events.append(append(stream, 0, 2)).await.unwrap();
    for wrong in [0, 1, 3, 500] {
        let refused = storage.events.append(append(stream, wrong, 1)).await;
        assert!(
            matches!(refused, Err(AppendError::Conflict { actual: 2 })),
            "{wrong}: {refused:?}"
        );
    }
    let unknown = storage.events.append(append(Uuid::new_v4(), 1, 1)).await;
    assert!(matches!(unknown, Err(AppendError::Conflict { actual: 0 })));
    assert_eq!(storage.events.head().await.unwrap().position, 2);
    let next = storage.events.append(append(stream, 2, 1)).await.unwrap();
    assert_eq!(next.position, 3, "a refusal leaves no gap");
}

#[rstest]
#[tokio::test]
async fn a_repeated_append_is_stored_once_and_answered_as_the_first_time(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let stream = Uuid::new_v4();
    storage.events.append(append(stream, 0, 1)).await.unwrap();
    let mut append_two = append(stream, 1, 2);
    append_two.request = Some(request(1));
    append_two.claims = vec![take(b"a", stream)];
    let first = storage.events.append(append_two.clone()).await.unwrap();
    storage.events.append(append(stream, 3, 4)).await.unwrap();
    storage
        .events
        .append(append(Uuid::new_v4(), 0, 1))
        .await
        .unwrap();
    let again = storage.events.append(append_two.clone()).await.unwrap();
    assert_eq!(again, first);
    assert_eq!(storage.events.head().await.unwrap().position, 8);
    append_two.events[0].event_id = Uuid::new_v4();
    append_two.request = None;
    let other = storage.events.append(append_two).await;
    assert!(matches!(other, Err(AppendError::Conflict { actual: 7 })));
}

fn take(claim: &[u8], owner: Uuid) -> ClaimChange {
    let claim = claim.to_vec();
    ClaimChange::Take { claim, owner }
}

fn release(claim: &[u8], owner: Uuid) -> ClaimChange {
    let claim = claim.to_vec();
    ClaimChange::Release { claim, owner }
}

#[rstest]
#[tokio::test]
async fn a_claim_has_one_owner_until_that_one_releases_it(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let (ada, bob) = (Uuid::new_v4(), Uuid::new_v4());
    let with = |stream, version, claims| Append {
        claims,
        ..append(stream, version, 1)
    };
    let store = &storage.events;
    store
        .append(with(ada, 0, vec![take(b"mail", ada)]))
        .await
        .unwrap();
    let refused = store
        .append(with(bob, 0, vec![take(b"free", bob), take(b"mail", bob)]))
        .await;
    match refused {
        Err(AppendError::ClaimTaken { claim, owner }) => {
            assert_eq!((claim.as_slice(), owner), (&b"mail"[..], ada));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        store.claim_owner(b"free").await.unwrap(),
        None,
        "all or nothing"
    );
    assert!(store.read_stream(bob, 0).await.unwrap().is_empty());

    store
        .append(with(ada, 1, vec![take(b"mail", ada)]))
        .await
        .unwrap();
    store
        .append(with(bob, 0, vec![release(b"mail", bob)]))
        .await
        .unwrap();
    assert_eq!(
        store.claim_owner(b"mail").await.unwrap(),
        Some(ada),
        "not bob's to release"
    );
    let swap = vec![release(b"mail", ada), take(b"new", ada)];
    store.append(with(ada, 2, swap)).await.unwrap();
    store
        .append(with(bob, 1, vec![take(b"mail", bob)]))
        .await
        .unwrap();
    assert_eq!(store.claim_owner(b"mail").await.unwrap(), Some(bob));
    assert_eq!(store.claim_owner(b"new").await.unwrap(), Some(ada));
}

fn request(key: u8) -> ClientRequest {
    ClientRequest {
        key: [key; 32],
        body_digest: [9; 32],
        secret: true,
    }
}

#[rstest]
#[tokio::test]
async fn a_client_request_is_remembered_with_its_outcome(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let stream = Uuid::new_v4();
    assert_eq!(storage.events.request(&[1; 32]).await.unwrap(), None);
    let mut named = append(stream, 0, 2);
    named.request = Some(request(1));
    let appended = storage.events.append(named).await.unwrap();
    let found = storage.events.request(&[1; 32]).await.unwrap().unwrap();
    assert_eq!(found.request, request(1));
    assert_eq!(found.stream_id, stream);
    assert_eq!(
        (found.version, found.position),
        (appended.version, appended.position)
    );

    let mut again = append(Uuid::new_v4(), 0, 1);
    again.request = Some(request(1));
    match storage.events.append(again).await {
        Err(AppendError::RequestRepeated(recorded)) => assert_eq!(recorded, found),
        other => panic!("{other:?}"),
    }
    let mut stale = append(stream, 1, 1);
    stale.request = Some(request(2));
    assert!(storage.events.append(stale).await.is_err());
    assert_eq!(
        storage.events.request(&[2; 32]).await.unwrap(),
        None,
        "nothing was appended"
    );

    let month = 31 * 24 * 3_600 * 1_000_000;
    assert_eq!(
        storage
            .credentials
            .sweep(time(1_700_000_000_000_000))
            .await
            .unwrap(),
        0
    );
    let later = time(1_700_000_000_000_000 + month);
    assert_eq!(storage.credentials.sweep(later).await.unwrap(), 1);
    assert_eq!(storage.events.request(&[1; 32]).await.unwrap(), None);
}

#[rstest]
#[tokio::test]
async fn credentials_and_keys_are_written_with_the_events_or_not_at_all(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let user = Uuid::new_v4();
    let credential = Credential {
        kind: CredentialKind::Password,
        id: user.to_string(),
        subject: user,
        verifier: b"phc".to_vec(),
        data: serde_json::json!({"n": 1, "text": "a\u{0}b"}),
        created_at: time(1),
        expires_at: None,
        last_used_at: None,
    };
    let key = |subject, wrapped: &[u8]| SubjectKey {
        subject,
        wrapped: wrapped.to_vec(),
    };
    let find = || {
        storage
            .credentials
            .credential(CredentialKind::Password, &credential.id)
    };
    let with_secrets = |version| Append {
        credentials: vec![CredentialChange::Put(credential.clone())],
        subject_keys: vec![key(user, b"wrapped")],
        ..append(user, version, 1)
    };
    assert!(storage.events.append(with_secrets(5)).await.is_err());
    assert_eq!(find().await.unwrap(), None);
    assert!(
        storage
            .events
            .subject_keys(&[user])
            .await
            .unwrap()
            .is_empty()
    );

    storage.events.append(with_secrets(0)).await.unwrap();
    assert_eq!(find().await.unwrap(), Some(credential.clone()));
    let subjects = [Uuid::new_v4(), user];
    let keys = storage.events.subject_keys(&subjects).await.unwrap();
    assert_eq!(keys, [key(user, b"wrapped")]);

    storage.events.append(with_secrets(1)).await.unwrap();
    let mut other_key = append(Uuid::new_v4(), 0, 1);
    other_key.subject_keys = vec![key(user, b"another")];
    let refused = storage.events.append(other_key).await;
    assert!(
        matches!(refused, Err(AppendError::Conflict { actual: 0 })),
        "a key in use is never replaced: {refused:?}"
    );
}

#[rstest]
#[tokio::test]
async fn whoever_watches_learns_of_appends_and_hints(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let mut watch = storage.events.appended();
    assert_eq!(watch.borrow_and_update().position, 0);
    storage
        .events
        .append(append(Uuid::new_v4(), 0, 3))
        .await
        .unwrap();
    watch.changed().await.unwrap();
    assert_eq!(watch.borrow_and_update().position, 3);
    storage.events.hint(2);
    assert!(!watch.has_changed().unwrap(), "a hint never lowers it");
    storage.events.hint(9);
    watch.changed().await.unwrap();
    assert_eq!(watch.borrow_and_update().position, 9);
}

/// Nobody reads past it unawares, and everybody up to it.
#[rstest]
#[case(Sqlite, "UPDATE events SET stream_id = x'00' WHERE position = 3")]
#[case(
    Postgres,
    "UPDATE log.events SET recorded_at = 'infinity' WHERE position = 3"
)]
#[tokio::test]
async fn a_row_that_cannot_be_decoded_is_told_by_where_it_is(
    #[case] adapter: Adapter,
    #[case] damage: &'static str,
) {
    let storage = storage(adapter).await;
    let stream = Uuid::new_v4();
    storage.events.append(append(stream, 0, 2)).await.unwrap();
    storage.events.append(append(stream, 2, 3)).await.unwrap();
    match storage.url.strip_prefix("sqlite:") {
        Some(directory) => {
            let file = format!("sqlite:{directory}/log.db");
            let mut other = SqliteConnection::connect(&file).await.unwrap();
            query(damage).execute(&mut other).await.map(drop)
        }
        None => {
            let mut owner = PgConnection::connect(&storage.url).await.unwrap();
            query(damage).execute(&mut owner).await.map(drop)
        }
    }
    .unwrap();
    let read = async |after, limit| {
        let read = storage.events.read_after(after, limit).await;
        let read = read.map(|it| it.iter().map(|it| it.position).collect::<Vec<_>>());
        read.map_err(|error| error.is::<Undecodable>())
    };
    assert_eq!(read(0, 10).await, Ok(vec![1, 2]));
    assert_eq!(read(1, 1).await, Ok(vec![2]));
    assert_eq!(read(2, 1).await, Err(true));
    let told = storage.events.read_after(2, 10).await.unwrap_err();
    assert!(told.to_string().contains("position 3"), "{told}");
    assert_eq!(read(3, 10).await, Ok(vec![4, 5]));
}
