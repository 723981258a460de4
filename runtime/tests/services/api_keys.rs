//! API keys: what they open, and when they stop.

use std::sync::atomic::Ordering;

use albatross::adapters::memory;
use albatross::application::api_keys::{IssuedKey, NewKey};
use albatross::application::error::ServiceError;
use albatross::application::identity::Identity;
use albatross::application::pireps::Submit;
use albatross::application::write::{Idempotency, WriteOptions};
use albatross::domain::ids::PirepId;
use albatross::domain::refusal::RefusalKind;
use albatross::domain::roles::{Role, Roles, Scope, Scopes};
use albatross::ports::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use secrecy::ExposeSecret;
use uuid::Uuid;

use crate::faulty_log::FaultyLog;
use crate::stage::*;

fn acars() -> Scopes {
    Scopes::from([Scope::PirepsRead, Scope::PirepsWrite, Scope::TrackWrite])
}

async fn issue(
    stage: &Stage,
    owner: &Identity,
    scopes: Scopes,
    expires_at: Option<Timestamp>,
) -> Result<IssuedKey, ServiceError> {
    let new = NewKey {
        name: "desktop".to_owned(),
        scopes,
        expires_at,
    };
    let keys = &stage.airline.api_keys;
    let issued = keys.issue(owner, owner.user(), new, WriteOptions::default());
    Ok(issued.await?.entity)
}

async fn opens(stage: &Stage, key: &IssuedKey) -> Result<Identity, ServiceError> {
    stage.airline.auth.by_key(key.key.expose_secret()).await
}

fn is_closed<T>(answer: Result<T, ServiceError>) -> bool {
    matches!(answer, Err(ServiceError::Unauthenticated))
}

#[tokio::test]
async fn a_key_stands_for_its_owner_within_its_scopes() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let key = issue(&stage, &bob, acars(), None).await.unwrap();
    for _ in 0..2 {
        let identity = opens(&stage, &key).await.unwrap();
        assert_eq!(identity.user(), bob.user());
        assert_eq!(identity.scopes(), Some(&acars()));
    }
}

#[tokio::test]
async fn a_foreign_or_mistyped_key_opens_nothing() {
    let stage = Stage::new().await;
    let elsewhere = Stage::new().await;
    let bob = elsewhere.pilot("Bob").await;
    let key = issue(&elsewhere, &bob, acars(), None).await.unwrap();
    assert!(is_closed(opens(&stage, &key).await));
    assert!(is_closed(stage.airline.auth.by_key("albk_").await));
    let typo = key.key.expose_secret().replace("albk_", "alkb_");
    assert!(is_closed(elsewhere.airline.auth.by_key(&typo).await));
}

/// The first answer is lost after the log has taken it; what caches missed then they are told now.
#[rstest]
#[case::named(Some("once"))]
#[case::unnamed(None)]
#[tokio::test]
async fn a_revocation_that_is_repeated_closes_the_key_although_it_changes_nothing(
    #[case] name: Option<&str>,
) {
    let stores = memory::open();
    let log = FaultyLog::new(stores.events.clone());
    let stage = Stage::over(stores, log.clone()).await;
    let bob = stage.pilot("Bob").await;
    let key = issue(&stage, &bob, acars(), None).await.unwrap();
    opens(&stage, &key).await.unwrap();
    let options = WriteOptions {
        idempotency: name.map(|name| Idempotency::new(bob.user().0, "DELETE /", name, b"")),
        ..WriteOptions::default()
    };
    let keys = &stage.airline.api_keys;
    let id = key.view.id.as_str();
    log.mute.store(true, Ordering::Relaxed);
    let lost = keys.revoke(&bob, bob.user(), id, options.clone()).await;
    assert!(matches!(lost, Err(ServiceError::Unavailable(_))));
    log.mute.store(false, Ordering::Relaxed);
    keys.revoke(&bob, bob.user(), id, options).await.unwrap();
    assert!(is_closed(opens(&stage, &key).await));
}

#[tokio::test]
async fn a_revoked_key_is_closed_at_once_although_it_was_cached() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let key = issue(&stage, &bob, acars(), None).await.unwrap();
    opens(&stage, &key).await.unwrap();
    let keys = &stage.airline.api_keys;
    let id = key.view.id.as_str();
    let revoke = || keys.revoke(&bob, bob.user(), id, WriteOptions::default());
    revoke().await.unwrap();
    assert!(is_closed(opens(&stage, &key).await));
    // A second time changes nothing.
    revoke().await.unwrap();
    assert!(keys.list(&bob, bob.user()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_revoked_key_is_closed_although_nobody_waits_for_the_revocation() {
    let stores = memory::open();
    let log = FaultyLog::new(stores.events.clone());
    let stage = Stage::over(stores, log.clone()).await;
    let bob = stage.pilot("Bob").await;
    let key = issue(&stage, &bob, acars(), None).await.unwrap();
    opens(&stage, &key).await.unwrap();
    let keys = &stage.airline.api_keys;
    let id = key.view.id.as_str();
    let revoked = keys.revoke(&bob, bob.user(), id, WriteOptions::default());
    log.given_up(revoked).await;
    soon(async || is_closed(opens(&stage, &key).await)).await;
}

#[tokio::test]
async fn an_expired_key_is_closed_although_it_was_cached() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let end = "2026-11-24T13:00:00Z".parse().unwrap();
    let key = issue(&stage, &bob, acars(), Some(end)).await.unwrap();
    opens(&stage, &key).await.unwrap();
    stage.clock.advance(SignedDuration::from_hours(1));
    assert!(is_closed(opens(&stage, &key).await));
}

#[tokio::test]
async fn a_key_loses_what_its_owner_loses() {
    let stage = Stage::new().await;
    let ada = stage.person("Ada", &[Role::TenantAdmin]).await;
    let rita = stage.person("Rita", &[Role::Reviewer, Role::Pilot]).await;
    let scopes = Scopes::from([Scope::Review]);
    let key = issue(&stage, &rita, scopes, None).await.unwrap();
    assert!(opens(&stage, &key).await.unwrap().reads_every_pirep());
    let users = &stage.airline.users;
    let pilot = Roles::from(Role::Pilot);
    let demoted = users.set_roles(&ada, rita.user(), pilot, WriteOptions::default());
    demoted.await.unwrap();
    assert!(!opens(&stage, &key).await.unwrap().reads_every_pirep());
}

#[tokio::test]
async fn nobody_issues_more_than_they_may_themselves() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let beyond = issue(&stage, &bob, Scopes::from([Scope::Review]), None).await;
    let (_, kind) = refused(beyond.map(|issued| issued.view));
    assert!(matches!(kind, RefusalKind::Invalid { .. }));
}

#[tokio::test]
async fn a_secret_is_given_one_time() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let keys = &stage.airline.api_keys;
    let request = || {
        let new = NewKey {
            name: "desktop".to_owned(),
            scopes: acars(),
            expires_at: None,
        };
        let route = "POST /users/{id}/apikeys";
        let options = WriteOptions {
            idempotency: Some(Idempotency::new(bob.user().0, route, "1", b"{}")),
            ..WriteOptions::default()
        };
        keys.issue(&bob, bob.user(), new, options)
    };
    request().await.unwrap();
    assert!(matches!(request().await, Err(ServiceError::AlreadyIssued)));
    assert_eq!(keys.list(&bob, bob.user()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn keys_are_listed_for_their_owner_and_admins_with_their_last_use() {
    let stage = Stage::new().await;
    let ada = stage.person("Ada", &[Role::TenantAdmin]).await;
    let bob = stage.pilot("Bob").await;
    let eve = stage.pilot("Eve").await;
    let key = issue(&stage, &bob, acars(), None).await.unwrap();
    let keys = &stage.airline.api_keys;
    assert_eq!(
        keys.list(&ada, bob.user()).await.unwrap()[0].last_used_at,
        None
    );
    assert_eq!(
        refused(keys.list(&eve, bob.user()).await).1,
        RefusalKind::Forbidden
    );
    opens(&stage, &key).await.unwrap();
    // Use is noted beside the request: it is there within a moment.
    let noted = async {
        loop {
            let listed = keys.list(&bob, bob.user()).await.unwrap();
            if listed[0].last_used_at.is_some() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), noted)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_suspended_pilots_programs_act_as_a_pilot_and_begin_nothing() {
    let stage = Stage::new().await;
    let ada = stage.person("Ada", &[Role::TenantAdmin]).await;
    let rita = stage.person("Rita", &[Role::Reviewer, Role::Pilot]).await;
    let key = issue(&stage, &rita, acars(), None).await.unwrap();
    let begun = stage.prefiled(&rita).await.entity.id;
    let users = &stage.airline.users;
    let reason = "reckless".to_owned();
    let suspended = users.suspend(&ada, rita.user(), reason, WriteOptions::default());
    suspended.await.unwrap();
    let identity = opens(&stage, &key).await.unwrap();
    assert_eq!(identity.person.roles, Roles::from(Role::Pilot));
    let pireps = &stage.airline.pireps;
    let new = pireps.create(&identity, flight("SKY2"), WriteOptions::default());
    assert_eq!(refused(new.await).0, "suspended");
    stage
        .positions(&identity, begun, vec![sample(0, 200)])
        .await;
    let submit = pireps.submit(
        &identity,
        begun,
        Default::default(),
        WriteOptions::default(),
    );
    assert!(submit.await.unwrap().entity.pirep.held);
}

#[tokio::test]
async fn a_key_that_expires_in_flight_serves_that_flight_for_a_day_and_nothing_else() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let later = |hours| stage.clock.now() + SignedDuration::from_hours(hours);
    let key = issue(&stage, &bob, acars(), Some(later(5))).await.unwrap();
    let program = opens(&stage, &key).await.unwrap();
    let begun = stage.prefiled(&program).await.entity.id;
    let by_hand = stage.prefiled(&bob).await.entity.id;
    let auth = &stage.airline.auth;
    let in_flight = async |flight: PirepId| {
        auth.by_key_in_flight(key.key.expose_secret(), flight.0)
            .await
    };
    stage.clock.advance(SignedDuration::from_hours(6));
    stage.airline.sweep().await.unwrap();
    assert!(is_closed(opens(&stage, &key).await));
    assert!(is_closed(in_flight(by_hand).await));
    assert!(is_closed(in_flight(PirepId(Uuid::new_v4())).await));
    let expired = in_flight(begun).await.unwrap();
    assert_eq!(expired, program);
    stage.positions(&expired, begun, vec![sample(0, 120)]).await;
    let options = WriteOptions::default();
    let submitted = stage
        .airline
        .pireps
        .submit(&expired, begun, Submit::default(), options);
    submitted.await.unwrap();
    stage.clock.advance(SignedDuration::from_hours(22));
    assert!(in_flight(begun).await.is_ok());
    stage.clock.advance(SignedDuration::from_hours(1));
    assert!(is_closed(in_flight(begun).await));
}

#[tokio::test]
async fn a_revoked_key_is_closed_at_once_in_flight_too() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let end = stage.clock.now() + SignedDuration::from_hours(5);
    let key = issue(&stage, &bob, acars(), Some(end)).await.unwrap();
    let program = opens(&stage, &key).await.unwrap();
    let flight = stage.prefiled(&program).await.entity.id;
    stage.clock.advance(SignedDuration::from_hours(6));
    let auth = &stage.airline.auth;
    let text = key.key.expose_secret();
    assert!(auth.by_key_in_flight(text, flight.0).await.is_ok());
    let keys = &stage.airline.api_keys;
    let id = key.view.id.as_str();
    let revoked = keys.revoke(&bob, bob.user(), id, WriteOptions::default());
    revoked.await.unwrap();
    assert!(is_closed(auth.by_key_in_flight(text, flight.0).await));
}
