//! Users: registration, roles, and who reads about whom.

use std::sync::Arc;

use albatross::adapters::memory;
use albatross::application::error::ServiceError;
use albatross::application::paging::Page;
use albatross::application::users::{Register, UserFilter};
use albatross::application::write::{Idempotency, Outcome, WriteOptions};
use albatross::domain::ids::UserId;
use albatross::domain::refusal::RefusalKind;
use albatross::domain::roles::{Role, Roles};
use albatross::domain::user::UserStatus;
use secrecy::ExposeSecret;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::faulty_log::FaultyLog;
use crate::stage::*;

fn register(email: &str, password: Option<&str>) -> Register {
    Register {
        email: email.to_owned(),
        display_name: "Bob".to_owned(),
        password: password.map(secret),
    }
}

fn page(limit: usize, cursor: Option<String>) -> Page {
    Page { limit, cursor }
}

#[tokio::test]
async fn an_address_has_one_account() {
    let stage = Stage::new().await;
    let users = &stage.airline.users;
    let options = WriteOptions::default;
    let first = users.register(
        None,
        register("bob@skyways.example", Some(PASSWORD)),
        options(),
    );
    first.await.unwrap();
    let again = users.register(
        None,
        register(" BOB@skyways.example", Some(PASSWORD)),
        options(),
    );
    assert_eq!(refused(again.await.map(drop)).0, "email-taken");
}

#[tokio::test]
async fn a_repeated_registration_is_answered_as_the_first_time() {
    let stage = Stage::new().await;
    let users = &stage.airline.users;
    let options = |body: &[u8]| WriteOptions {
        idempotency: Some(Idempotency::new(Uuid::nil(), "POST /users", "1", body)),
        ..WriteOptions::default()
    };
    let new = || register("bob@skyways.example", Some(PASSWORD));
    let first = users.register(None, new(), options(b"a")).await.unwrap();
    let again = users.register(None, new(), options(b"a")).await.unwrap();
    assert_eq!(again.outcome, Outcome::CreatedBefore);
    assert_eq!(again.entity.user, first.entity.user);
    let other = users.register(None, new(), options(b"b")).await;
    assert!(matches!(other, Err(ServiceError::IdempotencyMismatch)));
}

/// A plain digest of a body with a password in it would be far cheaper to try than the password's own hash.
#[tokio::test]
async fn what_tells_a_repeated_registration_says_nothing_about_its_password() {
    let stage = Stage::new().await;
    let named = Idempotency::new(Uuid::nil(), "POST /users", "1", b"body with a password");
    let plain = named.request(false);
    let options = WriteOptions {
        idempotency: Some(named),
        ..WriteOptions::default()
    };
    let new = register("bob@skyways.example", Some(PASSWORD));
    stage
        .airline
        .users
        .register(None, new, options)
        .await
        .unwrap();
    let kept = stage.stores.events.request(&plain.key).await.unwrap();
    assert_ne!(kept.unwrap().request.body_digest, plain.body_digest);
}

#[tokio::test]
async fn a_stranger_needs_a_password_and_an_admin_gets_a_link() {
    let stage = Stage::new().await;
    let ada = stage.person("Ada", &[Role::TenantAdmin]).await;
    let users = &stage.airline.users;
    let options = WriteOptions::default;
    for password in [None, Some("too short")] {
        let stranger = users.register(None, register("bob@skyways.example", password), options());
        let (_, kind) = refused(stranger.await.map(drop));
        assert!(matches!(kind, RefusalKind::Invalid { .. }));
    }
    let invited = users.register(Some(&ada), register("bob@skyways.example", None), options());
    let link = invited.await.unwrap().entity.login_link.unwrap();
    let (_, token) = link.expose_secret().split_once('#').unwrap();
    let logged_in = stage.airline.auth.log_in_with_link(token, CLIENT).await;
    assert_eq!(
        logged_in.unwrap().user.entity.roles,
        Roles::from(Role::Pilot)
    );
}

#[tokio::test]
async fn the_last_admin_stays_one() {
    let stage = Stage::new().await;
    let ada = stage.person("Ada", &[Role::TenantAdmin]).await;
    let users = &stage.airline.users;
    let pilot = || Roles::from(Role::Pilot);
    let last = users.set_roles(&ada, ada.user(), pilot(), WriteOptions::default());
    assert_eq!(refused(last.await).0, "last-admin");
    let bea = stage.person("Bea", &[Role::TenantAdmin]).await;
    let demoted = users.set_roles(&bea, ada.user(), pilot(), WriteOptions::default());
    demoted.await.unwrap();
    stage.airline.catch_up().await.unwrap();
    let last = users.set_roles(&bea, bea.user(), pilot(), WriteOptions::default());
    assert_eq!(refused(last.await).0, "last-admin");
}

#[tokio::test]
async fn roles_are_changed_by_admins_on_what_they_saw() {
    let stage = Stage::new().await;
    let ada = stage.person("Ada", &[Role::TenantAdmin]).await;
    let bob = stage.pilot("Bob").await;
    let users = &stage.airline.users;
    let reviewer = || Roles::from(Role::Pilot).with(Role::Reviewer);
    let own = users.set_roles(&bob, bob.user(), reviewer(), WriteOptions::default());
    assert_eq!(refused(own.await).1, RefusalKind::Forbidden);
    let stale = users.set_roles(&ada, bob.user(), reviewer(), seen(1));
    assert!(matches!(
        stale.await,
        Err(ServiceError::Stale { actual: 2 })
    ));
    let changed = users.set_roles(&ada, bob.user(), reviewer(), seen(2));
    assert_eq!(changed.await.unwrap().version, 3);
    let root = Roles::from(Role::PlatformAdmin);
    let hosted = users.set_roles(&ada, bob.user(), root, WriteOptions::default());
    assert_eq!(refused(hosted.await).0, "platform-admin");
}

#[tokio::test]
async fn staff_list_users_a_page_at_a_time() {
    let stage = Stage::new().await;
    let ada = stage.person("Ada", &[Role::TenantAdmin]).await;
    let bob = stage.pilot("Bob").await;
    for name in ["Cid", "Dan", "Eve"] {
        stage.pilot(name).await;
    }
    let users = &stage.airline.users;
    let pilots = UserFilter {
        role: Some(Role::Pilot),
        ..UserFilter::default()
    };
    let (mut names, mut cursor) = (Vec::new(), None);
    loop {
        let listed = users
            .list(&ada, pilots.clone(), page(3, cursor))
            .await
            .unwrap();
        names.extend(
            listed
                .items
                .into_iter()
                .map(|user| user.entity.display_name),
        );
        cursor = listed.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(names, ["Bob", "Cid", "Dan", "Eve"].map(Into::into));
    let search = UserFilter {
        search: Some("EVE@".to_owned()),
        ..UserFilter::default()
    };
    assert_eq!(
        users
            .list(&ada, search, page(3, None))
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    let stranger = users.list(&bob, UserFilter::default(), page(3, None)).await;
    assert_eq!(refused(stranger).1, RefusalKind::Forbidden);
    assert_eq!(
        refused(users.get(&bob, ada.user()).await).1,
        RefusalKind::NotFound
    );
    assert!(users.get(&bob, bob.user()).await.is_ok());
}

#[tokio::test]
async fn a_cursor_belongs_to_its_list() {
    let stage = Stage::new().await;
    let ada = stage.person("Ada", &[Role::TenantAdmin]).await;
    stage.pilot("Bob").await;
    let users = &stage.airline.users;
    let first = users.list(&ada, UserFilter::default(), page(1, None)).await;
    let next = first.unwrap().next;
    let other = UserFilter {
        role: Some(Role::Pilot),
        ..UserFilter::default()
    };
    let (_, kind) = refused(users.list(&ada, other, page(1, next)).await);
    assert!(matches!(kind, RefusalKind::Invalid { .. }));
}

/// Two processes over one storage, whose projections follow the log; the first one's log can be interrupted.
async fn two_processes() -> (Stage, Stage, Arc<FaultyLog>, DropGuard) {
    let stores = memory::open();
    let log = FaultyLog::new(stores.events.clone());
    let here = Stage::over(stores.clone(), log.clone()).await;
    let there = Stage::over(stores.clone(), stores.events.clone()).await;
    let cancel = CancellationToken::new();
    let (airline, stop) = (there.airline.clone(), cancel.clone());
    tokio::spawn(async move { airline.project(&supervisor(), &stop).await });
    (here, there, log, cancel.drop_guard())
}

async fn admins(stage: &Stage) -> usize {
    let head = stage.stores.events.head().await.unwrap();
    stage.airline.wait_for_people(head.position).await.unwrap();
    let filter = UserFilter {
        role: Some(Role::TenantAdmin),
        status: Some(UserStatus::Active),
        ..UserFilter::default()
    };
    let host = somebody(UserId(Uuid::nil()), &[Role::TenantAdmin]);
    let listed = stage
        .airline
        .users
        .list(&host, filter, page(100, None))
        .await;
    listed.unwrap().items.len()
}

#[tokio::test]
async fn two_admins_who_demote_each_other_at_once_do_not_both_succeed() {
    let (here, there, log, _running) = two_processes().await;
    let ada = here.person("Ada", &[Role::TenantAdmin]).await;
    let eve = here.person("Eve", &[Role::TenantAdmin]).await;
    let pilot = || Roles::from(Role::Pilot);
    // Both have counted two admins: Eve's decision is written while Ada's is on its way.
    let (airline, by_eve, of_ada) = (there.airline.clone(), eve.clone(), ada.user());
    *log.meanwhile.lock().unwrap() = Some(Box::pin(async move {
        let reason = "coup".to_owned();
        let suspended = airline
            .users
            .suspend(&by_eve, of_ada, reason, WriteOptions::default());
        suspended.await.unwrap();
    }));
    let users = &here.airline.users;
    let demoted = users.set_roles(&ada, eve.user(), pilot(), WriteOptions::default());
    assert_eq!(refused(demoted.await).0, "last-admin");
    assert_eq!(admins(&there).await, 1);
}

#[tokio::test]
async fn of_many_admins_who_all_leave_at_once_one_stays() {
    let (here, there, _log, _running) = two_processes().await;
    let mut people = Vec::new();
    for number in 0..6 {
        let name = format!("Admin{number}");
        people.push(here.person(&name, &[Role::TenantAdmin]).await);
    }
    let leave = people.iter().enumerate().map(|(number, admin)| {
        let users = &[&here, &there][number % 2].airline.users;
        let roles = Roles::from(Role::Pilot);
        users.set_roles(admin, admin.user(), roles, WriteOptions::default())
    });
    let left = futures::future::join_all(leave).await;
    let left = left.into_iter().filter(Result::is_ok).count();
    assert_eq!(admins(&there).await, 6 - left);
    assert!((1..6).contains(&left));
}
