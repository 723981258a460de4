//! A whole log written at once: as it was, or not at all.

use albatross::adapters::chain;
use albatross::ports::credentials::{Credential, CredentialKind};
use albatross::ports::event_store::{
    AppendError, ChainLink, ClaimChange, RecordedEvent, SubjectKey,
};
use albatross::ports::log_import::{Beside, ImportError};
use rstest::rstest;
use uuid::Uuid;

use crate::fixture::*;

/// A log of three commits.
async fn written() -> (Vec<RecordedEvent>, Vec<ChainLink>) {
    let source = storage(Memory).await;
    let stream = Uuid::new_v4();
    for (before, count) in [(0, 2), (2, 1), (3, 70)] {
        let append = append(stream, before, count);
        source.events.append(append).await.unwrap();
    }
    let events = source.events.read_after(0, 100).await.unwrap();
    (events, source.events.chain_after(0, 100).await.unwrap())
}

fn beside() -> Beside {
    Beside {
        epoch: Uuid::new_v4(),
        claims: vec![(vec![1; 32], Uuid::new_v4())],
        credentials: vec![Credential {
            kind: CredentialKind::Principal,
            id: "one".to_owned(),
            subject: Uuid::new_v4(),
            verifier: Vec::new(),
            data: serde_json::json!({"roles": ["Pilot"]}),
            created_at: time(1_000_001),
            expires_at: None,
            last_used_at: None,
        }],
    }
}

#[rstest]
#[tokio::test]
async fn an_imported_log_is_as_it_was_and_goes_on(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let (events, links) = written().await;
    let storage = storage(adapter).await;
    let key = SubjectKey {
        subject: Uuid::new_v4(),
        wrapped: vec![3; 60],
    };
    let beside = beside();
    let (epoch, credential) = (beside.epoch, beside.credentials[0].clone());
    let mut import = storage.import.begin().await.unwrap();
    let (first, rest) = events.split_at(2);
    import.write(first, &links[..1], &[]).await.unwrap();
    let keys = std::slice::from_ref(&key);
    import.write(rest, &links[1..], keys).await.unwrap();
    import.commit(beside).await.unwrap();

    assert_eq!(storage.events.read_after(0, 100).await.unwrap(), events);
    assert_eq!(storage.events.chain_after(0, 100).await.unwrap(), links);
    let head = storage.events.head().await.unwrap();
    assert_eq!((head.epoch, head.position), (epoch, 73));
    let kept = storage.events.subject_keys(&[key.subject]).await.unwrap();
    assert_eq!(kept, [key]);
    let found = storage
        .credentials
        .credential(credential.kind, &credential.id);
    assert_eq!(found.await.unwrap(), Some(credential));
    let mut rival = append(Uuid::new_v4(), 0, 1);
    let (claim, owner) = (vec![1; 32], rival.stream_id);
    rival.claims = vec![ClaimChange::Take { claim, owner }];
    let taken = storage.events.append(rival).await;
    assert!(
        matches!(taken, Err(AppendError::ClaimTaken { .. })),
        "{taken:?}"
    );
    let next = append(events[0].stream_id, 73, 1);
    assert_eq!(storage.events.append(next).await.unwrap().position, 74);
    assert_eq!(chain::verify(&*storage.events).await.unwrap().events, 74);
}

#[rstest]
#[tokio::test]
async fn an_import_that_is_given_up_leaves_the_log_empty(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let (events, links) = written().await;
    let storage = storage(adapter).await;
    let mut import = storage.import.begin().await.unwrap();
    import.write(&events, &links, &[]).await.unwrap();
    drop(import);
    let first = append(Uuid::new_v4(), 0, 1);
    assert_eq!(storage.events.append(first).await.unwrap().position, 1);
    let refused = storage.import.begin().await.map(|_| ());
    assert!(
        matches!(refused, Err(ImportError::NotEmpty { head: 1 })),
        "{refused:?}"
    );
}
