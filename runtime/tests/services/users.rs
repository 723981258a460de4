//! Users: registration, roles, and who reads about whom.

use albatross::application::error::ServiceError;
use albatross::application::paging::Page;
use albatross::application::users::{Register, UserFilter};
use albatross::application::write::{Idempotency, Outcome, WriteOptions};
use albatross::domain::refusal::RefusalKind;
use albatross::domain::roles::{Role, Roles};
use secrecy::ExposeSecret;
use uuid::Uuid;

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
    assert_eq!(again.outcome, Outcome::Repeated);
    assert_eq!(again.entity.user, first.entity.user);
    let other = users.register(None, new(), options(b"b")).await;
    assert!(matches!(other, Err(ServiceError::IdempotencyMismatch)));
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
