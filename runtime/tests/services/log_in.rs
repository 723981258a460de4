//! Logging in, sessions and passwords.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use albatross::adapters::memory;
use albatross::application::api_keys::NewKey;
use albatross::application::auth::LoggedIn;
use albatross::application::error::ServiceError;
use albatross::application::identity::Identity;
use albatross::application::write::WriteOptions;
use albatross::domain::refusal::RefusalKind;
use albatross::domain::roles::{Role, Scope};
use albatross::ports::credentials::CredentialKind;
use jiff::SignedDuration;
use secrecy::ExposeSecret;

use crate::stage::*;
use crate::watched_credentials::WatchedCredentials;

const ANOTHER: &str = "another good password";

async fn log_in(stage: &Stage, name: &str, password: &str) -> Result<LoggedIn, ServiceError> {
    let auth = &stage.airline.auth;
    auth.log_in(&email(name), secret(password), CLIENT).await
}

fn is_unauthenticated<T>(answer: Result<T, ServiceError>) -> bool {
    matches!(answer, Err(ServiceError::Unauthenticated))
}

#[tokio::test]
async fn a_password_begins_a_session_whatever_the_case_of_the_address() {
    let stage = Stage::new().await;
    let ada = stage.pilot("Ada").await;
    let auth = &stage.airline.auth;
    let logged_in = auth.log_in(" ADA@Skyways.Example ", secret(PASSWORD), CLIENT);
    let logged_in = logged_in.await.unwrap();
    let identity = auth
        .by_session(logged_in.cookie.expose_secret())
        .await
        .unwrap();
    assert_eq!(identity.user(), ada.user());
    assert!(identity.scopes().is_none());
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_told_alike() {
    let stage = Stage::new().await;
    stage.pilot("Ada").await;
    assert!(is_unauthenticated(
        log_in(&stage, "Ada", "wrong wrong wrong").await
    ));
    assert!(is_unauthenticated(log_in(&stage, "Nobody", PASSWORD).await));
    let huge = "x".repeat(1_000_000);
    assert!(is_unauthenticated(log_in(&stage, "Ada", &huge).await));
    assert!(is_unauthenticated(log_in(&stage, &huge, PASSWORD).await));
}

#[tokio::test]
async fn an_account_takes_ten_attempts() {
    let stage = Stage::new().await;
    stage.pilot("Ada").await;
    for _ in 0..10 {
        assert!(is_unauthenticated(
            log_in(&stage, "Ada", "wrong wrong wrong").await
        ));
    }
    let refused = log_in(&stage, "Ada", PASSWORD).await;
    assert!(matches!(refused, Err(ServiceError::TooManyRequests { .. })));
}

#[tokio::test]
async fn a_session_ends_when_idle_and_after_a_month() {
    let stage = Stage::new().await;
    stage.pilot("Ada").await;
    let auth = &stage.airline.auth;
    let idle = log_in(&stage, "Ada", PASSWORD).await.unwrap().cookie;
    let used = log_in(&stage, "Ada", PASSWORD).await.unwrap().cookie;
    stage.clock.advance(SignedDuration::from_hours(11));
    assert!(auth.by_session(used.expose_secret()).await.is_ok());
    tokio::task::yield_now().await;
    stage.clock.advance(SignedDuration::from_hours(2));
    assert!(is_unauthenticated(
        auth.by_session(idle.expose_secret()).await
    ));
    for _ in 0..64 {
        assert!(auth.by_session(used.expose_secret()).await.is_ok());
        // Its use is noted beside the request.
        tokio::task::yield_now().await;
        stage.clock.advance(SignedDuration::from_hours(11));
    }
    stage.clock.advance(SignedDuration::from_hours(11));
    assert!(is_unauthenticated(
        auth.by_session(used.expose_secret()).await
    ));
}

async fn watched() -> (Stage, Arc<WatchedCredentials>) {
    let mut stores = memory::open();
    let watched = Arc::new(WatchedCredentials::over(stores.credentials.clone()));
    stores.credentials = watched.clone();
    let events = stores.events.clone();
    (Stage::over(stores, events).await, watched)
}

#[tokio::test]
async fn a_session_lives_though_its_use_cannot_be_noted() {
    let (stage, watched) = watched().await;
    stage.pilot("Ada").await;
    let logged_in = log_in(&stage, "Ada", PASSWORD).await.unwrap();
    watched.full.store(true, Ordering::Relaxed);
    stage.clock.advance(SignedDuration::from_mins(5));
    let auth = &stage.airline.auth;
    assert!(
        auth.by_session(logged_in.cookie.expose_secret())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_password_that_is_changed_during_the_log_in_opens_nothing() {
    let (stage, watched) = watched().await;
    let ada = stage.pilot("Ada").await;
    let cookie = log_in(&stage, "Ada", PASSWORD).await.unwrap().cookie;
    let auth = &stage.airline.auth;
    let identity = auth.by_session(cookie.expose_secret()).await.unwrap();
    let (airline, clock) = (stage.airline.clone(), stage.clock.clone());
    watched.before_the_next_change(async move {
        clock.advance(SignedDuration::from_secs(1));
        let new = secret("another good password");
        let changed = airline
            .auth
            .change_password(&identity, Some(secret(PASSWORD)), new);
        changed.await.map(drop).unwrap();
    });
    assert!(is_unauthenticated(log_in(&stage, "Ada", PASSWORD).await));
    let kind = CredentialKind::Session;
    let sessions = stage.stores.credentials.credentials_of(kind, ada.user().0);
    assert_eq!(sessions.await.unwrap().len(), 1, "who changed it goes on");
}

/// Ada, who has a password, and her change of it just as somebody follows a link that she was given once.
struct Followed {
    stage: Stage,
    watched: Arc<WatchedCredentials>,
    ada: Identity,
    token: String,
}

impl Followed {
    async fn new() -> Self {
        let (stage, watched) = watched().await;
        let ada = stage.person("Ada", &[Role::TenantAdmin]).await;
        let cookie = log_in(&stage, "Ada", PASSWORD).await.unwrap().cookie;
        let auth = &stage.airline.auth;
        let ada = Identity {
            session: auth
                .by_session(cookie.expose_secret())
                .await
                .unwrap()
                .session,
            ..ada
        };
        let link = stage.airline.admin_setup.link(&email("Ada"), "Ada").await;
        let link = link.unwrap();
        let (_, token) = link.expose_secret().split_once('#').unwrap();
        let token = token.to_owned();
        Self {
            stage,
            watched,
            ada,
            token,
        }
    }

    /// A second later.
    fn change(&self, current: &str, new: &str) -> impl Future<Output = ()> + Send + use<> {
        let (airline, clock) = (self.stage.airline.clone(), self.stage.clock.clone());
        let (ada, current, new) = (self.ada.clone(), secret(current), secret(new));
        async move {
            clock.advance(SignedDuration::from_secs(1));
            let changed = airline.auth.change_password(&ada, Some(current), new);
            changed.await.map(drop).unwrap();
        }
    }

    async fn follow(&self) -> Result<LoggedIn, ServiceError> {
        let auth = &self.stage.airline.auth;
        auth.log_in_with_link(&self.token, CLIENT).await
    }

    async fn sessions(&self) -> usize {
        let kind = CredentialKind::Session;
        let credentials = &self.stage.stores.credentials;
        let sessions = credentials.credentials_of(kind, self.ada.user().0);
        sessions.await.unwrap().len()
    }
}

#[tokio::test]
async fn a_link_that_is_followed_while_the_password_changes_opens_nothing() {
    let before_its_session = Followed::new().await;
    let change = before_its_session.change(PASSWORD, ANOTHER);
    before_its_session.watched.before_the_next_change(change);
    assert!(is_unauthenticated(before_its_session.follow().await));
    assert_eq!(before_its_session.sessions().await, 1, "Ada goes on");

    let after_its_session = Followed::new().await;
    let change = after_its_session.change(PASSWORD, ANOTHER);
    after_its_session.watched.before_the_next_take(change);
    assert!(is_unauthenticated(after_its_session.follow().await));
    assert_eq!(after_its_session.sessions().await, 1, "Ada goes on");
}

#[tokio::test]
async fn of_two_who_follow_a_link_at_once_one_gets_in() {
    let followed = Followed::new().await;
    let (airline, token) = (followed.stage.airline.clone(), followed.token.clone());
    followed.watched.before_the_next_take(async move {
        let first = airline.auth.log_in_with_link(&token, CLIENT).await;
        first.map(drop).unwrap();
    });
    assert!(is_unauthenticated(followed.follow().await));
    assert_eq!(followed.sessions().await, 2, "Ada's own, and the first's");
}

#[tokio::test]
async fn of_two_who_change_a_password_at_once_the_last_goes_on() {
    let followed = Followed::new().await;
    let last = followed.change(ANOTHER, "yet another good password");
    followed.watched.before_the_next_change(last);
    let new = secret(ANOTHER);
    let auth = &followed.stage.airline.auth;
    let first = auth.change_password(&followed.ada, Some(secret(PASSWORD)), new);
    assert!(is_unauthenticated(first.await));
    assert_eq!(followed.sessions().await, 1);
}

#[tokio::test]
async fn logging_out_ends_this_session_only() {
    let stage = Stage::new().await;
    stage.pilot("Ada").await;
    let auth = &stage.airline.auth;
    let one = log_in(&stage, "Ada", PASSWORD).await.unwrap().cookie;
    let other = log_in(&stage, "Ada", PASSWORD).await.unwrap().cookie;
    let identity = auth.by_session(one.expose_secret()).await.unwrap();
    auth.log_out(&identity).await.unwrap();
    assert!(is_unauthenticated(
        auth.by_session(one.expose_secret()).await
    ));
    assert!(auth.by_session(other.expose_secret()).await.is_ok());
}

#[tokio::test]
async fn a_tampered_cookie_opens_nothing() {
    let stage = Stage::new().await;
    stage.pilot("Ada").await;
    let cookie = log_in(&stage, "Ada", PASSWORD).await.unwrap().cookie;
    let mut cookie = cookie.expose_secret().to_owned();
    let last = cookie.pop().unwrap();
    cookie.push(if last == 'x' { 'y' } else { 'x' });
    assert!(is_unauthenticated(
        stage.airline.auth.by_session(&cookie).await
    ));
}

#[tokio::test]
async fn a_new_password_ends_every_other_session() {
    let stage = Stage::new().await;
    stage.pilot("Ada").await;
    let auth = &stage.airline.auth;
    let one = log_in(&stage, "Ada", PASSWORD).await.unwrap().cookie;
    let other = log_in(&stage, "Ada", PASSWORD).await.unwrap().cookie;
    let identity = auth.by_session(one.expose_secret()).await.unwrap();
    let new = "another good password";
    let wrong = auth.change_password(&identity, Some(secret("not this one")), secret(new));
    assert!(matches!(
        refused(wrong.await.map(drop)).1,
        RefusalKind::Invalid { .. }
    ));
    let missing = auth.change_password(&identity, None, secret(new));
    assert!(matches!(
        refused(missing.await.map(drop)).1,
        RefusalKind::Invalid { .. }
    ));
    let changed = auth.change_password(&identity, Some(secret(PASSWORD)), secret(new));
    let changed = changed.await.unwrap();
    assert!(is_unauthenticated(
        auth.by_session(one.expose_secret()).await
    ));
    assert!(is_unauthenticated(
        auth.by_session(other.expose_secret()).await
    ));
    assert!(
        auth.by_session(changed.cookie.expose_secret())
            .await
            .is_ok()
    );
    assert!(is_unauthenticated(log_in(&stage, "Ada", PASSWORD).await));
    assert!(log_in(&stage, "Ada", new).await.is_ok());
}

#[tokio::test]
async fn a_link_logs_in_once_and_lets_a_password_be_set() {
    let stage = Stage::new().await;
    let link = stage
        .airline
        .admin_setup
        .link("ada@skyways.example", "Ada")
        .await;
    let link = link.unwrap();
    let (_, token) = link.expose_secret().split_once('#').unwrap();
    let auth = &stage.airline.auth;
    // Somebody who guesses the secret does not use the link up.
    let guess = format!("{}_{}", &token[..12], "0".repeat(30));
    assert!(is_unauthenticated(
        auth.log_in_with_link(&guess, CLIENT).await
    ));
    let logged_in = auth.log_in_with_link(token, CLIENT).await.unwrap();
    assert!(is_unauthenticated(
        auth.log_in_with_link(token, CLIENT).await
    ));
    let identity = auth
        .by_session(logged_in.cookie.expose_secret())
        .await
        .unwrap();
    assert!(identity.person.roles.administer());
    let set = auth
        .change_password(&identity, None, secret(PASSWORD))
        .await;
    assert!(set.is_ok());
    assert!(log_in(&stage, "Ada", PASSWORD).await.is_ok());
}

/// Addresses are not verified: whoever registered one first need not be who is meant.
#[tokio::test]
async fn whoever_registered_the_address_of_a_new_admin_before_gets_in_by_the_link_alone() {
    let stage = Stage::new().await;
    let mallory = stage.pilot("Ada").await;
    let (auth, setup) = (&stage.airline.auth, &stage.airline.admin_setup);
    let before = log_in(&stage, "Ada", PASSWORD).await.unwrap().cookie;
    let new = NewKey {
        name: "kept for later".to_owned(),
        scopes: [Scope::PirepsRead].into(),
        expires_at: None,
    };
    let keys = &stage.airline.api_keys;
    let issued = keys.issue(&mallory, mallory.user(), new, WriteOptions::default());
    let key = issued.await.unwrap().entity.key;
    let link = setup.link(&email("Ada"), "Ada").await.unwrap();
    assert!(is_unauthenticated(log_in(&stage, "Ada", PASSWORD).await));
    let session = auth.by_session(before.expose_secret()).await;
    assert!(is_unauthenticated(session));
    assert!(is_unauthenticated(auth.by_key(key.expose_secret()).await));
    let (_, token) = link.expose_secret().split_once('#').unwrap();
    let admin = auth.log_in_with_link(token, CLIENT).await.unwrap();
    // Another link for who is an admin already ends nothing.
    setup.link(&email("Ada"), "Ada").await.unwrap();
    let session = auth.by_session(admin.cookie.expose_secret()).await;
    assert!(session.unwrap().person.roles.administer());
}

#[tokio::test]
async fn a_link_expires() {
    let stage = Stage::new().await;
    let link = stage
        .airline
        .admin_setup
        .link("ada@skyways.example", "Ada")
        .await;
    let link = link.unwrap();
    let (_, token) = link.expose_secret().split_once('#').unwrap();
    stage.clock.advance(SignedDuration::from_hours(73));
    let late = stage.airline.auth.log_in_with_link(token, CLIENT).await;
    assert!(is_unauthenticated(late));
}

#[tokio::test]
async fn a_suspended_user_is_out_until_reinstated() {
    let stage = Stage::new().await;
    let ada = stage.person("Ada", &[Role::TenantAdmin]).await;
    let bob = stage.pilot("Bob").await;
    let (auth, users) = (&stage.airline.auth, &stage.airline.users);
    let cookie = log_in(&stage, "Bob", PASSWORD).await.unwrap().cookie;
    let options = WriteOptions::default;
    let suspended = users.suspend(&ada, bob.user(), "reckless".to_owned(), options());
    suspended.await.unwrap();
    assert!(is_unauthenticated(
        auth.by_session(cookie.expose_secret()).await
    ));
    assert!(is_unauthenticated(log_in(&stage, "Bob", PASSWORD).await));
    users.reinstate(&ada, bob.user(), options()).await.unwrap();
    assert!(is_unauthenticated(
        auth.by_session(cookie.expose_secret()).await
    ));
    assert!(log_in(&stage, "Bob", PASSWORD).await.is_ok());
}
