//! What every store of credentials promises.

use albatross::adapters::chain;
use albatross::ports::credentials::{Credential, CredentialChange, CredentialKind};
use albatross::ports::event_store::{Append, ClientRequest, SubjectKey};
use futures::future::join_all;
use rstest::rstest;
use uuid::Uuid;

use crate::fixture::*;
use CredentialChange::{Delete, DeleteAll, Put};
use CredentialKind::{ApiKey, LoginLink, Session};

fn credential(kind: CredentialKind, id: &str, subject: Uuid) -> Credential {
    Credential {
        kind,
        id: id.to_owned(),
        subject,
        verifier: vec![0, 1, 2],
        data: serde_json::json!({"scopes": ["pireps:read"], "zulu": 1, "alpha": null}),
        created_at: time(1_000_001),
        expires_at: Some(time(2_000_002)),
        last_used_at: None,
    }
}

#[rstest]
#[tokio::test]
async fn what_is_put_is_found_until_deleted(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = storage(adapter).await;
    let store = &storage.credentials;
    let (ada, bob) = (Uuid::new_v4(), Uuid::new_v4());
    let mut older = credential(ApiKey, "older", ada);
    older.created_at = time(5);
    let all = [
        credential(ApiKey, "newer", ada),
        older.clone(),
        credential(Session, "newer", ada),
        credential(ApiKey, "bobs", bob),
    ];
    store
        .change(all.iter().cloned().map(Put).collect())
        .await
        .unwrap();
    assert_eq!(
        store.credential(ApiKey, "newer").await.unwrap().as_ref(),
        Some(&all[0])
    );
    assert_eq!(store.credential(ApiKey, "none").await.unwrap(), None);
    let of_ada = store.credentials_of(ApiKey, ada).await.unwrap();
    assert_eq!(of_ada, [older.clone(), all[0].clone()], "oldest first");

    older.data = serde_json::json!("replaced");
    store.change(vec![Put(older.clone())]).await.unwrap();
    assert_eq!(
        store.credential(ApiKey, "older").await.unwrap(),
        Some(older)
    );

    let id = "newer".to_owned();
    store
        .change(vec![Delete { kind: Session, id }])
        .await
        .unwrap();
    assert_eq!(store.credential(Session, "newer").await.unwrap(), None);
    let kind = ApiKey;
    let replace_all = vec![
        DeleteAll { kind, subject: ada },
        Put(credential(ApiKey, "last", ada)),
    ];
    store.change(replace_all).await.unwrap();
    let left = store.credentials_of(ApiKey, ada).await.unwrap();
    assert_eq!(
        left,
        [credential(ApiKey, "last", ada)],
        "changes apply in order"
    );
    assert_eq!(store.credentials_of(ApiKey, bob).await.unwrap().len(), 1);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_one_time_credential_is_won_once(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = storage(adapter).await;
    let link = credential(LoginLink, "link", Uuid::new_v4());
    storage
        .credentials
        .change(vec![Put(link.clone())])
        .await
        .unwrap();
    let attempts = join_all((0..8).map(|_| storage.credentials.take(LoginLink, "link"))).await;
    let won: Vec<_> = attempts.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(won, [link]);
}

#[rstest]
#[tokio::test]
async fn a_verifier_is_replaced_only_if_unchanged(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let store = &storage.credentials;
    store
        .change(vec![Put(credential(ApiKey, "key", Uuid::new_v4()))])
        .await
        .unwrap();
    assert!(
        !store
            .replace_verifier(ApiKey, "key", &[9], &[7])
            .await
            .unwrap()
    );
    assert!(
        store
            .replace_verifier(ApiKey, "key", &[0, 1, 2], &[7])
            .await
            .unwrap()
    );
    assert!(
        !store
            .replace_verifier(ApiKey, "key", &[0, 1, 2], &[8])
            .await
            .unwrap()
    );
    assert!(
        !store
            .replace_verifier(ApiKey, "other", &[7], &[8])
            .await
            .unwrap()
    );
    assert_eq!(
        store
            .credential(ApiKey, "key")
            .await
            .unwrap()
            .unwrap()
            .verifier,
        [7]
    );
}

#[rstest]
#[tokio::test]
async fn use_is_kept_to_the_minute_and_never_goes_back(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let store = &storage.credentials;
    store
        .change(vec![Put(credential(ApiKey, "key", Uuid::new_v4()))])
        .await
        .unwrap();
    let minute = 60_000_000;
    for used_at in [7 * minute + 59_123_456, 3 * minute] {
        store.touch(ApiKey, "key", time(used_at)).await.unwrap();
        let found = store.credential(ApiKey, "key").await.unwrap().unwrap();
        assert_eq!(found.last_used_at, Some(time(7 * minute)));
    }
    store.touch(ApiKey, "unknown", time(minute)).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn the_sweep_takes_what_has_expired(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = storage(adapter).await;
    let store = &storage.credentials;
    let mut lasting = credential(ApiKey, "lasting", Uuid::new_v4());
    lasting.expires_at = None;
    let expiring = credential(ApiKey, "expiring", Uuid::new_v4());
    store
        .change(vec![Put(lasting), Put(expiring)])
        .await
        .unwrap();
    assert_eq!(store.sweep(time(2_000_002)).await.unwrap(), 0);
    assert_eq!(store.sweep(time(2_000_003)).await.unwrap(), 1);
    assert_eq!(store.credential(ApiKey, "expiring").await.unwrap(), None);
    assert!(store.credential(ApiKey, "lasting").await.unwrap().is_some());
}

#[rstest]
#[tokio::test]
async fn an_erased_persons_key_and_requests_are_gone_and_nobody_elses(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let events = &storage.events;
    let [erased, other, flight] = [(); 3].map(|()| Uuid::new_v4());
    let request = |n: u8| ClientRequest {
        key: [n; 32],
        body_digest: [n; 32],
        secret: false,
    };
    let key = |subject| SubjectKey {
        subject,
        wrapped: vec![1, 2, 3],
    };
    // Of the account itself, of a flight by session and by key; of somebody else, by whoever resembles them.
    let near = format!("user:{erased}0");
    let appends = [
        (erased, 0, "operator".to_owned()),
        (flight, 0, format!("user:{erased}")),
        (flight, 1, format!("user:{erased}/key:abc")),
        (flight, 2, near),
        (other, 0, format!("user:{other}")),
    ];
    for ((stream, version, actor), n) in appends.into_iter().zip(0..) {
        let mut append = append(stream, version, 1);
        append.actor = actor;
        append.request = Some(request(n));
        append.subject_keys = [erased, other]
            .into_iter()
            .filter(|subject| *subject == stream)
            .map(key)
            .collect();
        events.append(append).await.unwrap();
    }
    let mut erase = append(erased, 1, 1);
    erase.request = Some(request(9));
    erase.credentials = vec![CredentialChange::Erase { subject: erased }];
    events.append(erase).await.unwrap();
    let keys = events.subject_keys(&[erased, other]).await.unwrap();
    assert_eq!(keys, [key(other)]);
    let mut known = Vec::new();
    for n in [0, 1, 2, 3, 4, 9] {
        if events.request(&[n; 32]).await.unwrap().is_some() {
            known.push(n);
        }
    }
    assert_eq!(known, [3, 4]);
    assert_eq!(chain::verify(&**events).await.unwrap().events, 6);
}

/// Requests that go into the log together with the erasure, as whoever waits for one commit does.
#[rstest]
#[tokio::test]
async fn what_an_erased_person_asked_for_in_the_same_commit_is_forgotten(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let events = &storage.events;
    let erased = Uuid::new_v4();
    events.append(append(erased, 0, 1)).await.unwrap();
    let requests = 0..8_u8;
    let asked = requests.clone().map(|n| Append {
        actor: format!("user:{erased}"),
        request: Some(ClientRequest {
            key: [n; 32],
            body_digest: [n; 32],
            secret: false,
        }),
        ..append(Uuid::new_v4(), 0, 1)
    });
    let erase = Append {
        credentials: vec![CredentialChange::Erase { subject: erased }],
        ..append(erased, 1, 1)
    };
    let all = asked.chain([erase]).map(|append| events.append(append));
    for appended in join_all(all).await {
        appended.unwrap();
    }
    for n in requests {
        let found = events.request(&[n; 32]).await.unwrap();
        assert_eq!(found, None);
    }
}
