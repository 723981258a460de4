//! Whoever was erased stays so, whatever copy of a database comes back: the ledger is kept with the operator.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use albatross::adapters::{migrate, open};
use albatross::application::airline::Airline;
use albatross::application::identity::Identity;
use albatross::application::users::Register;
use albatross::application::write::WriteOptions;
use albatross::domain::actor::Person;
use albatross::domain::ids::UserId;
use albatross::domain::roles::Role;
use albatross::domain::user::UserStatus;
use albatross_operator::context::ledger::Ledger;
use albatross_operator::context::runtime::RuntimeClient;
use albatross_tests::parts::parts;
use albatross_tests::platform::Platform;
use albatross_tests::servers::{Database, servers};
use albatross_tests::wait::until;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use serde_json::json;
use uuid::Uuid;

use crate::serving::{Serving, TOKEN};

/// Who is in the authoritative Secret's ledger.
async fn recorded(platform: &Platform, tenant: &str) -> BTreeSet<Uuid> {
    let record = platform.record(tenant).await;
    let lines = record.get("erased").map(String::as_str).unwrap_or_default();
    lines.lines().map(|line| line.parse().unwrap()).collect()
}

async fn copied(platform: &Platform, tenant: &str) -> Option<String> {
    let namespace = format!("albatross-{tenant}");
    let copy = platform.secret(&namespace, "albatross-erased").await?;
    copy.get("erased").cloned()
}

fn people(numbers: &[u128]) -> BTreeSet<Uuid> {
    numbers.iter().copied().map(Uuid::from_u128).collect()
}

#[tokio::test]
async fn whoever_is_erased_is_in_the_record_for_good_and_in_a_copy_for_the_pods() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let declared = platform
        .airline("mindful", json!({"deletionPolicy": "Retain"}))
        .await;
    let id = declared.status.unwrap().tenant_id.unwrap();
    let deployments: Api<Deployment> =
        Api::namespaced(platform.client.clone(), "albatross-mindful");
    let generation = async || deployments.get("api").await.unwrap().metadata.generation;
    let before = generation().await;
    assert_eq!(copied(&platform, "mindful").await, None);
    let erased = |numbers: &[u128]| {
        let people = people(numbers);
        platform
            .runtimes
            .change("mindful", |runtime| runtime.erased = people);
    };
    let becomes = async |numbers: &[u128]| {
        until("the ledger is as expected", async || {
            recorded(&platform, "mindful").await == people(numbers)
        })
        .await;
    };
    let look_again = async |name: &str| {
        platform
            .change("mindful", json!({"displayName": name}))
            .await;
    };

    erased(&[1, 2, 3]);
    look_again("Three").await;
    becomes(&[1, 2, 3]).await;
    until("the pods' copy says so", async || {
        let record = platform.record("mindful").await;
        copied(&platform, "mindful").await.as_ref() == record.get("erased")
    })
    .await;
    assert_eq!(generation().await, before, "no pod is restarted for it");

    // An older database, of as many erased people: nobody leaves the ledger.
    erased(&[1, 2, 4]);
    look_again("Older").await;
    becomes(&[1, 2, 3, 4]).await;
    platform.ready("mindful").await;
    // Whoever is erased just before the pods rest is asked for once more.
    erased(&[1, 2, 4, 5]);
    platform
        .change("mindful", json!({"hibernate": "Now"}))
        .await;
    platform
        .comes_to("mindful", "Ready", "True", "Hibernated")
        .await;
    becomes(&[1, 2, 3, 4, 5]).await;

    platform.remove("mindful").await;
    becomes(&[1, 2, 3, 4, 5]).await;
    platform
        .airline("mindful", json!({"bootstrap": {"adopt": id}}))
        .await;
    becomes(&[1, 2, 3, 4, 5]).await;
    let record = platform.record("mindful").await;
    assert_eq!(
        copied(&platform, "mindful").await,
        record.get("erased").cloned()
    );
    platform.remove("mindful").await;
    operator.stop().await;
}

async fn ready(database: &Database, ledger: &str) -> Serving {
    let mut serving = Serving::start(database, &[("ALBATROSS_ERASED", ledger)]);
    serving.answers_ready(200).await;
    serving
}

/// What a test does with an airline over a database, with nobody connected afterwards.
async fn over<T>(database: &Database, work: impl AsyncFnOnce(&Airline) -> T) -> T {
    let stores = open(&database.url).await.unwrap();
    let airline = Airline::new(parts(&stores), stores.schema_version);
    airline.prepare().await.unwrap();
    airline.catch_up().await.unwrap();
    let done = work(&airline).await;
    drop(airline);
    stores.close().await;
    done
}

fn host() -> Identity {
    let roles = [Role::TenantAdmin].into_iter().collect();
    let id = UserId(Uuid::nil());
    let key = None;
    Identity {
        person: Person { id, roles, key },
        suspended: false,
        session: None,
    }
}

async fn status_of(database: &Database, user: UserId) -> (UserStatus, Option<String>) {
    over(database, async |airline| {
        let user = airline.users.get(&host(), user).await.unwrap().entity;
        let name = user.display_name.text().map(str::to_owned);
        (user.status, name)
    })
    .await
}

#[tokio::test]
async fn a_database_that_is_older_than_an_erasure_is_not_served_with_the_person() {
    let living = servers().await.database().await;
    migrate(&living.url).await.unwrap();
    let bob = over(&living, async |airline| {
        let declared = airline
            .admin_setup
            .declare("Skyways".to_owned(), "SKY".to_owned());
        declared.await.unwrap();
        let new = Register {
            email: "bob@skyways.example".to_owned(),
            display_name: "Bob".to_owned(),
            password: Some("correct horse battery staple".to_owned().into()),
        };
        let options = WriteOptions::default();
        let bob = airline.users.register(None, new, options).await.unwrap();
        bob.entity.user.id
    })
    .await;
    let older = servers().await.copy_of(&living).await;
    over(&living, async |airline| {
        let options = WriteOptions::default();
        let erased = airline.erasure.erase(&host(), bob, options).await;
        erased.unwrap();
    })
    .await;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("erased");
    let path = file.to_str().unwrap();
    // Nobody is in a ledger that is not there.
    let serving = ready(&living, path).await;
    let client = RuntimeClient::new(Arc::default()).unwrap();
    let erased = client.erased(&serving.internal, &TOKEN.into()).await;
    let erased = erased.unwrap();
    assert_eq!(erased, [bob.0]);
    serving.process.interrupt().await;

    let known = (UserStatus::Active, Some("Bob".to_owned()));
    assert_eq!(status_of(&older, bob).await, known);
    let mut ledger = Ledger::default();
    ledger.extend(erased.into_iter().chain([Uuid::from_u128(7)]));
    fs::write(&file, ledger.to_string()).unwrap();
    let serving = ready(&older, path).await;
    assert_eq!(status_of(&older, bob).await, (UserStatus::Erased, None));
    serving.process.interrupt().await;
    // Once is enough, and a start says so by doing nothing.
    let head = async || {
        let stores = open(&older.url).await.unwrap();
        let head = stores.events.head().await.unwrap();
        stores.close().await;
        head
    };
    let before = head().await;
    ready(&older, path).await.process.interrupt().await;
    assert_eq!(head().await, before);
}
