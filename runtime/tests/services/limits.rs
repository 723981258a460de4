//! What an airline is declared to grow to, at most: new pilots and new flights are refused, and nothing that has begun.

use albatross::application::error::ServiceError;
use albatross::application::identity::Identity;
use albatross::application::pireps::Submit;
use albatross::application::users::Register;
use albatross::application::write::WriteOptions;
use albatross::domain::refusal::RefusalKind;
use albatross::domain::roles::Role;
use albatross::domain::tenant::{Limits, RegistrationPolicy, Settings};
use albatross::domain::user::UserEvent;
use jiff::SignedDuration;
use secrecy::ExposeSecret;

use crate::desired::{Operator, apply, nothing, state};
use crate::stage::*;

async fn limited(stage: &Stage, number: u64, pilots: Option<u32>, pireps_per_day: Option<u32>) {
    let mut state = nothing(number);
    state.tenant.limits = Limits {
        pilots,
        pireps_per_day,
        storage_bytes: None,
    };
    apply(stage, state).await;
}

async fn register(stage: &Stage, name: &str) -> Result<(), ServiceError> {
    let new = Register {
        email: email(name),
        display_name: name.to_owned(),
        password: Some(secret(PASSWORD)),
    };
    let users = &stage.airline.users;
    let registered = users.register(None, new, WriteOptions::default()).await;
    stage.airline.catch_up().await.unwrap();
    registered.map(|_| ())
}

#[tokio::test]
async fn one_pilot_more_than_may_be_is_refused_until_more_may_be() {
    let stage = Stage::new().await;
    limited(&stage, 1, Some(2), None).await;
    // Neither is a pilot.
    let ada = stage.person("Ada", &[Role::TenantAdmin]).await;
    let rita = stage.person("Rita", &[Role::Reviewer]).await;
    register(&stage, "Bob").await.unwrap();
    register(&stage, "Bea").await.unwrap();
    let (code, kind) = refused(register(&stage, "Ben").await);
    assert_eq!((code, kind), ("too-many-pilots", RefusalKind::LimitReached));
    // Nor does anybody else become one.
    let roles = [Role::Reviewer, Role::Pilot].into_iter().collect();
    let users = &stage.airline.users;
    let promoted = users.set_roles(&ada, rita.user(), roles, WriteOptions::default());
    assert_eq!(refused(promoted.await).0, "too-many-pilots");
    limited(&stage, 2, Some(3), None).await;
    // Whoever is suspended takes a place still.
    let ben = stage.pilot("Ben").await;
    let (users, reason) = (&stage.airline.users, "rude".to_owned());
    let suspended = users.suspend(&ada, ben.user(), reason, WriteOptions::default());
    suspended.await.unwrap();
    stage.airline.catch_up().await.unwrap();
    assert_eq!(refused(register(&stage, "Bill").await).0, "too-many-pilots");
    // Fewer than there are: nobody is taken away.
    limited(&stage, 3, Some(1), None).await;
    assert_eq!(refused(register(&stage, "Bill").await).0, "too-many-pilots");
    limited(&stage, 4, None, None).await;
    register(&stage, "Bill").await.unwrap();
}

#[tokio::test]
async fn whoever_waits_for_approval_is_counted_once_let_in() {
    let stage = Stage::new().await;
    limited(&stage, 1, Some(1), None).await;
    let ada = stage.person("Ada", &[Role::TenantAdmin]).await;
    let settings = Settings {
        registration: RegistrationPolicy::Approval,
        ..Settings::default()
    };
    let version = stage.airline.tenant().await.unwrap().unwrap().version;
    let lists = &stage.airline.lists;
    let set = lists.set_settings(&ada, settings, seen(version));
    set.await.unwrap();
    let [bob, bea] = [stage.pilot("Bob").await, stage.pilot("Bea").await];
    let users = &stage.airline.users;
    let approve = async |pilot: &Identity| {
        let approved = users.approve(&ada, pilot.user(), WriteOptions::default());
        let approved = approved.await;
        stage.airline.catch_up().await.unwrap();
        approved
    };
    approve(&bob).await.unwrap();
    assert_eq!(refused(approve(&bea).await).0, "too-many-pilots");
    approve(&bob).await.unwrap();
    limited(&stage, 2, Some(2), None).await;
    approve(&bea).await.unwrap();
}

#[tokio::test]
async fn an_account_that_was_changed_for_ever_can_still_be_used_managed_and_erased() {
    let stage = Stage::new().await;
    let ada = stage.person("Ada", &[Role::TenantAdmin]).await;
    let bob = stage.pilot("Bob").await;
    let changed = UserEvent::RolesChanged {
        roles: Role::Pilot.into(),
    };
    stage.prolong(bob.user().0, changed, 20_000).await;
    let auth = &stage.airline.auth;
    let log_in = async || auth.log_in(&email("Bob"), secret(PASSWORD), CLIENT).await;
    let cookie = log_in().await.unwrap().cookie;
    let session = auth.by_session(cookie.expose_secret()).await.unwrap();
    let new = auth.change_password(
        &session,
        Some(secret(PASSWORD)),
        secret("another one, as good"),
    );
    let expected = ("too-many-changes", RefusalKind::LimitReached);
    assert_eq!(refused(new.await.map(drop)), expected);

    let users = &stage.airline.users;
    let suspended = users.suspend(&ada, bob.user(), "rude".to_owned(), WriteOptions::default());
    suspended.await.unwrap();
    assert!(log_in().await.is_err());
    let reinstated = users.reinstate(&ada, bob.user(), WriteOptions::default());
    reinstated.await.unwrap();
    let operator = Operator::new();
    let admin = state(1, vec![operator.admin("Bob")], vec![]);
    assert_eq!(apply(&stage, admin).await.admins.len(), 1);
    // Now it is an admin's, who is to have a password.
    let cookie = operator.log_in(&stage).await.unwrap().cookie;
    let session = auth.by_session(cookie.expose_secret()).await.unwrap();
    let set = auth.change_password(&session, None, secret(PASSWORD)).await;
    set.unwrap();
    apply(&stage, nothing(2)).await;
    let erasure = &stage.airline.erasure;
    let erased = erasure.erase(&ada, bob.user(), WriteOptions::default());
    erased.await.unwrap();
}

#[tokio::test]
async fn a_day_has_so_many_flights_and_those_that_have_begun_go_on() {
    let stage = Stage::new().await;
    limited(&stage, 1, None, Some(2)).await;
    let bob = stage.pilot("Bob").await;
    let begun = stage.prefiled(&bob).await.entity.id;
    stage.prefiled(&bob).await;
    let pireps = &stage.airline.pireps;
    let file = async || {
        let filed = pireps.create(&bob, flight("SKY3"), WriteOptions::default());
        filed.await.map(|_| ())
    };
    let (code, kind) = refused(file().await);
    assert_eq!(
        (code, kind),
        ("too-many-flights-today", RefusalKind::LimitReached)
    );
    stage.positions(&bob, begun, vec![sample(0, 120)]).await;
    let added = pireps.put(&bob, begun, flight("SKY1"), WriteOptions::default());
    added.await.unwrap();
    let submitted = pireps.submit(&bob, begun, Submit::default(), WriteOptions::default());
    submitted.await.unwrap();
    // It is noon; at midnight another day begins.
    stage.clock.advance(SignedDuration::from_hours(11));
    assert_eq!(refused(file().await).0, "too-many-flights-today");
    stage.clock.advance(SignedDuration::from_hours(1));
    file().await.unwrap();
}
