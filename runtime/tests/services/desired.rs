//! The operator's desired state: what is declared holds, what is not declared any more goes.

use std::collections::BTreeSet;
use std::sync::Arc;

use albatross::adapters::memory;
use albatross::application::api_keys::NewKey;
use albatross::application::auth::LoggedIn;
use albatross::application::desired::DesiredError;
use albatross::application::desired::model::{DesiredReport, DesiredState, KeyState};
use albatross::application::error::ServiceError;
use albatross::application::identity::Identity;
use albatross::application::secrets::{ApiKeyText, LinkToken, Pepper};
use albatross::application::users::Register;
use albatross::application::write::WriteOptions;
use albatross::domain::ids::PirepId;
use albatross::domain::roles::{Role, Scope};
use albatross::ports::credentials::{CredentialChange, CredentialKind, Credentials};
use base64::prelude::{BASE64_STANDARD, Engine};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::*;
use crate::watched_credentials::WatchedCredentials;

/// An airline without admins and keys.
pub fn nothing(number: u64) -> DesiredState {
    let tenant = json!({
        "displayName": "Skyways", "icaoCode": "SKY", "publicUrl": "http://skyways.localhost:8080",
    });
    serde_json::from_value(json!({"number": number, "tenant": tenant})).unwrap()
}

/// What an operator would have generated.
pub struct Operator {
    pepper: Pepper,
    link: SecretString,
    pub key: SecretString,
}

impl Operator {
    pub fn new() -> Self {
        Self {
            pepper: Pepper::new([7; 32]),
            link: LinkToken::generate(&Randomness).into_text(),
            key: ApiKeyText::generate(&Randomness).into_text(),
        }
    }

    pub fn admin(&self, name: &str) -> Value {
        let link = LinkToken::parse(self.link.expose_secret()).unwrap();
        json!({
            "email": email(name), "displayName": name, "role": "TenantAdmin",
            "loginLink": {
                "id": link.id(),
                "digest": BASE64_STANDARD.encode(self.pepper.login_link_digest(&link)),
                "expiresAt": "2026-12-01T00:00:00Z",
            },
        })
    }

    pub fn key(&self, change: Value) -> Value {
        let key = ApiKeyText::parse(self.key.expose_secret()).unwrap();
        let mut desired = json!({
            "keyId": key.id(),
            "digest": BASE64_STANDARD.encode(self.pepper.api_key_digest(&key)),
            "user": null, "machineUser": "clients/acars",
            "scopes": ["pireps:read", "pireps:write", "track:write"],
            "expiresAt": "2027-01-01T00:00:00Z", "revoked": false,
        });
        for (member, value) in change.as_object().unwrap() {
            desired[member] = value.clone();
        }
        desired
    }

    pub async fn log_in(&self, stage: &Stage) -> Result<LoggedIn, ServiceError> {
        let auth = &stage.airline.auth;
        auth.log_in_with_link(self.link.expose_secret(), CLIENT)
            .await
    }

    pub async fn open(&self, stage: &Stage) -> Result<Identity, ServiceError> {
        stage.airline.auth.by_key(self.key.expose_secret()).await
    }
}

pub fn state(number: u64, admins: Vec<Value>, keys: Vec<Value>) -> DesiredState {
    let state = json!({
        "number": number,
        "tenant": {"displayName": "Skyways", "icaoCode": "SKY", "publicUrl": "http://skyways.localhost"},
        "admins": admins, "apiKeys": keys,
    });
    serde_json::from_value(state).unwrap()
}

pub async fn apply(stage: &Stage, state: DesiredState) -> DesiredReport {
    stage.airline.desired.apply(state).await.unwrap()
}

#[tokio::test]
async fn what_is_declared_holds_and_the_same_again_writes_nothing() {
    let stage = Stage::new().await;
    let operator = Operator::new();
    assert_eq!(stage.airline.desired.applied().await.unwrap(), None);
    let wish = || {
        state(
            1,
            vec![operator.admin("Ada")],
            vec![operator.key(json!({}))],
        )
    };
    let report = apply(&stage, wish()).await;
    assert_eq!((report.number, report.tenant_id), (1, stage.tenant.0));
    assert!(!report.admins[0].has_logged_in);
    assert_eq!(report.api_keys[0].state, KeyState::Active);
    let head = stage.stores.events.head().await.unwrap();
    assert_eq!(apply(&stage, wish()).await, report);
    assert_eq!(stage.stores.events.head().await.unwrap(), head);
    assert_eq!(stage.airline.desired.applied().await.unwrap(), Some(report));
    let tenant = stage.airline.tenant().await.unwrap().unwrap();
    assert_eq!(tenant.entity.profile.icao_code, "SKY");
}

/// An imported log knows its keys, and none of their digests.
#[tokio::test]
async fn a_declared_key_whose_digest_is_gone_opens_again() {
    let stage = Stage::new().await;
    let operator = Operator::new();
    let wish = |number, change| state(number, Vec::new(), vec![operator.key(change)]);
    apply(&stage, wish(1, json!({}))).await;
    let key = ApiKeyText::parse(operator.key.expose_secret()).unwrap();
    let (kind, id) = (CredentialKind::ApiKey, key.id().to_owned());
    let gone = vec![CredentialChange::Delete { kind, id }];
    stage.stores.credentials.change(gone).await.unwrap();
    let row = stage.stores.credentials.credential(kind, key.id());
    assert_eq!(row.await.unwrap(), None);
    let head = stage.stores.events.head().await.unwrap();
    apply(&stage, wish(1, json!({}))).await;
    assert_eq!(stage.stores.events.head().await.unwrap(), head);
    assert!(operator.open(&stage).await.is_ok());

    // What was revoked stays revoked.
    apply(&stage, wish(2, json!({"revoked": true}))).await;
    apply(&stage, wish(3, json!({}))).await;
    assert!(operator.open(&stage).await.is_err());
}

#[tokio::test]
async fn a_key_that_is_revoked_while_its_digest_is_put_back_stays_closed() {
    let mut stores = memory::open();
    let watched = Arc::new(WatchedCredentials::over(stores.credentials.clone()));
    stores.credentials = watched.clone();
    let events = stores.events.clone();
    let stage = Stage::over(stores.clone(), events.clone()).await;
    let another = Stage::over(stores, events).await;
    let operator = Operator::new();
    let wish = |number, change| state(number, Vec::new(), vec![operator.key(change)]);
    apply(&stage, wish(1, json!({}))).await;
    let key = ApiKeyText::parse(operator.key.expose_secret()).unwrap();
    let (kind, id) = (CredentialKind::ApiKey, key.id().to_owned());
    let gone = vec![CredentialChange::Delete { kind, id }];
    watched.change(gone).await.unwrap();
    let revoked = wish(2, json!({"revoked": true}));
    watched.before_the_next_change(async move {
        apply(&another, revoked).await;
    });
    let again = stage.airline.desired.apply(wish(1, json!({}))).await;
    assert!(again.is_err(), "a newer state was applied meanwhile");
    assert!(watched.was_changed(), "the digest was put back");
    assert!(operator.open(&stage).await.is_err());
}

#[tokio::test]
async fn an_older_state_is_refused() {
    let stage = Stage::new().await;
    let operator = Operator::new();
    apply(&stage, state(5, vec![operator.admin("Ada")], vec![])).await;
    let older = stage.airline.desired.apply(state(4, vec![], vec![])).await;
    assert!(matches!(older, Err(DesiredError::Outdated { applied: 5 })));
    assert!(operator.log_in(&stage).await.is_ok());
}

#[tokio::test]
async fn a_link_that_was_used_does_not_come_back() {
    let stage = Stage::new().await;
    let operator = Operator::new();
    let wish = |number| state(number, vec![operator.admin("Ada")], vec![]);
    apply(&stage, wish(1)).await;
    let logged_in = operator.log_in(&stage).await.unwrap();
    assert!(logged_in.user.entity.roles.administer());
    let report = apply(&stage, wish(2)).await;
    assert!(report.admins[0].has_logged_in);
    assert!(operator.log_in(&stage).await.is_err());
}

#[tokio::test]
async fn an_admin_who_is_not_declared_any_more_is_none() {
    let stage = Stage::new().await;
    let [ada, bea] = [Operator::new(), Operator::new()];
    apply(
        &stage,
        state(1, vec![ada.admin("Ada"), bea.admin("Bea")], vec![]),
    )
    .await;
    let report = apply(&stage, state(2, vec![bea.admin("Bea")], vec![])).await;
    assert_eq!(report.admins.len(), 1);
    let released = ada.log_in(&stage).await.unwrap().user.entity;
    assert!(!released.roles.administer() && !released.managed);
    // Declared again, with another link: an admin again.
    let again = Operator::new();
    apply(
        &stage,
        state(3, vec![again.admin("Ada"), bea.admin("Bea")], vec![]),
    )
    .await;
    assert!(
        again
            .log_in(&stage)
            .await
            .unwrap()
            .user
            .entity
            .roles
            .administer()
    );
}

#[tokio::test]
async fn a_registered_pilot_can_be_declared_an_admin() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let operator = Operator::new();
    let report = apply(&stage, state(1, vec![operator.admin("Bob")], vec![])).await;
    assert_eq!(report.admins[0].user_id, bob.user().0);
    let user = operator.log_in(&stage).await.unwrap().user.entity;
    assert!(user.roles.contains(Role::Pilot) && user.roles.administer());
}

/// Addresses are not verified: whoever registered one first need not be who is declared.
#[tokio::test]
async fn whoever_registered_a_declared_address_before_gets_in_by_the_link_alone() {
    let stage = Stage::new().await;
    let mallory = stage.pilot("Bob").await;
    let auth = &stage.airline.auth;
    let before = auth.log_in(&email("Bob"), secret(PASSWORD), CLIENT).await;
    let before = before.unwrap().cookie;
    let new = NewKey {
        name: "kept for later".to_owned(),
        scopes: [Scope::PirepsRead].into(),
        expires_at: None,
    };
    let keys = &stage.airline.api_keys;
    let issued = keys
        .issue(&mallory, mallory.user(), new, WriteOptions::default())
        .await;
    let key = issued.unwrap().entity.key;
    let operator = Operator::new();
    let report = apply(&stage, state(1, vec![operator.admin("Bob")], vec![])).await;
    assert!(!report.admins[0].has_logged_in);
    let again = auth.log_in(&email("Bob"), secret(PASSWORD), CLIENT).await;
    assert!(matches!(again, Err(ServiceError::Unauthenticated)));
    assert!(auth.by_session(before.expose_secret()).await.is_err());
    assert!(auth.by_key(key.expose_secret()).await.is_err());
    let declared = operator.log_in(&stage).await.unwrap();
    // Once in, the declared admin stays in.
    apply(&stage, state(2, vec![operator.admin("Bob")], vec![])).await;
    let cookie = declared.cookie.expose_secret();
    assert!(auth.by_session(cookie).await.is_ok());
}

#[tokio::test]
async fn a_key_opens_what_is_declared_until_it_is_not() {
    let stage = Stage::new().await;
    let operator = Operator::new();
    let wish = |number, keys| state(number, vec![operator.admin("Ada")], keys);
    apply(&stage, wish(1, vec![operator.key(json!({}))])).await;
    let identity = operator.open(&stage).await.unwrap();
    assert_eq!(identity.scopes().unwrap().len(), 3);
    let narrower = operator.key(json!({"scopes": ["pireps:read"]}));
    apply(&stage, wish(2, vec![narrower])).await;
    let identity = operator.open(&stage).await.unwrap();
    assert_eq!(identity.scopes().unwrap().len(), 1);
    // A wider key makes its machine hold the role that it takes.
    let wider = operator.key(json!({"scopes": ["review"]}));
    apply(&stage, wish(3, vec![wider])).await;
    assert!(operator.open(&stage).await.unwrap().reads_every_pirep());
    let report = apply(&stage, wish(4, vec![])).await;
    assert_eq!(report.api_keys[0].state, KeyState::Revoked);
    assert!(operator.open(&stage).await.is_err());
    // One way: declaring it again does not open it.
    apply(&stage, wish(5, vec![operator.key(json!({}))])).await;
    assert!(operator.open(&stage).await.is_err());
}

#[tokio::test]
async fn a_key_is_kept_of_which_nobody_can_tell_what_is_declared() {
    let stage = Stage::new().await;
    let operator = Operator::new();
    let key = operator.key(json!({}));
    let id = key["keyId"].as_str().unwrap().to_owned();
    apply(&stage, state(1, vec![], vec![key])).await;
    let before = operator.open(&stage).await.unwrap();
    let kept_api_keys = vec![id];
    let keep = DesiredState {
        kept_api_keys,
        ..nothing(2)
    };
    let report = apply(&stage, keep).await;
    assert_eq!(report.api_keys[0].state, KeyState::Active);
    assert_eq!(operator.open(&stage).await.unwrap(), before);
    apply(&stage, nothing(3)).await;
    assert!(operator.open(&stage).await.is_err());
}

#[tokio::test]
async fn the_newest_of_many_keys_is_known_and_ends_like_the_first() {
    let stage = Stage::new().await;
    // More than are read at once.
    let keys: Vec<Operator> = (0..1_001).map(|_| Operator::new()).collect();
    let declared = keys.iter().enumerate().map(|(index, operator)| {
        let machine = format!("clients/{index}");
        operator.key(json!({"machineUser": machine}))
    });
    let all_are = |report: DesiredReport, state: KeyState| {
        assert_eq!(report.api_keys.len(), keys.len());
        assert!(report.api_keys.iter().all(|key| key.state == state));
    };
    let report = apply(&stage, state(1, vec![], declared.collect())).await;
    all_are(report, KeyState::Active);
    all_are(apply(&stage, nothing(2)).await, KeyState::Revoked);
    for key in &keys {
        assert!(key.open(&stage).await.is_err());
    }
}

#[tokio::test]
async fn a_revoked_key_is_reported_as_such() {
    let stage = Stage::new().await;
    let operator = Operator::new();
    let wish = |number, change| {
        state(
            number,
            vec![operator.admin("Ada")],
            vec![operator.key(change)],
        )
    };
    apply(&stage, wish(1, json!({}))).await;
    let report = apply(&stage, wish(2, json!({"revoked": true}))).await;
    assert_eq!(report.api_keys[0].state, KeyState::Revoked);
    assert!(operator.open(&stage).await.is_err());
}

#[tokio::test]
async fn a_key_for_somebody_waits_until_they_are_invited() {
    let stage = Stage::new().await;
    let operator = Operator::new();
    let for_bob = || operator.key(json!({"user": "bob@skyways.example"}));
    let wish = |number| state(number, vec![operator.admin("Ada")], vec![for_bob()]);
    let report = apply(&stage, wish(1)).await;
    assert!(report.api_keys.is_empty());
    let told = &report.refused_keys.first().unwrap().message;
    assert!(told.contains("invited"), "{told}");
    let ada = stage.person("Root", &[Role::TenantAdmin]).await;
    let bob = Register {
        email: email("Bob"),
        display_name: "Bob".to_owned(),
        password: None,
    };
    let users = &stage.airline.users;
    let bob = users.register(Some(&ada), bob, WriteOptions::default());
    let bob = bob.await.unwrap().entity.user.id;
    let report = apply(&stage, wish(1)).await;
    assert_eq!((report.api_keys.len(), report.refused_keys.len()), (1, 0));
    assert_eq!(operator.open(&stage).await.unwrap().user(), bob);
}

/// Addresses are not verified: whoever registered one first need not be who is meant.
#[tokio::test]
async fn a_key_acts_for_nobody_who_invited_themselves_and_the_others_work() {
    let stage = Stage::new().await;
    let (refused, works) = (Operator::new(), Operator::new());
    stage.pilot("Bob").await;
    let for_bob = || refused.key(json!({"user": "bob@skyways.example"}));
    let keys = || vec![for_bob(), works.key(json!({}))];
    let wish = |number, admins| state(number, admins, keys());
    let report = apply(&stage, wish(1, vec![])).await;
    assert_eq!(report.number, 1);
    let [told] = report.refused_keys.as_slice() else {
        panic!("{report:?}")
    };
    assert_eq!(told.key_id, for_bob()["keyId"].as_str().unwrap());
    assert!(told.message.contains("invited"), "{told:?}");
    assert!(refused.open(&stage).await.is_err());
    works.open(&stage).await.unwrap();
    // As a declared admin, Bob is who the platform says.
    let report = apply(&stage, wish(2, vec![refused.admin("Bob")])).await;
    assert!(report.refused_keys.is_empty(), "{report:?}");
    refused.open(&stage).await.unwrap();
}

#[tokio::test]
async fn a_key_whose_machine_has_lost_its_id_to_a_flight_is_refused_and_the_others_work() {
    let stage = Stage::new().await;
    let (refused, works) = (Operator::new(), Operator::new());
    let pilot = stage.pilot("Bob").await;
    let taken = Uuid::new_v5(&stage.tenant.0, b"machine:clients/acars");
    let pireps = &stage.airline.pireps;
    let filed = pireps.put(
        &pilot,
        PirepId(taken),
        flight("SKY1"),
        WriteOptions::default(),
    );
    filed.await.unwrap();
    let keys = vec![
        refused.key(json!({})),
        works.key(json!({"machineUser": "clients/other"})),
    ];
    let report = apply(&stage, state(1, vec![works.admin("Ada")], keys)).await;
    assert_eq!((report.api_keys.len(), report.refused_keys.len()), (1, 1));
    assert!(refused.open(&stage).await.is_err());
    works.open(&stage).await.unwrap();
}

/// As long as a namespace, `/` and the name of an ApiKey may be: told apart by their ends, and by their beginnings.
#[tokio::test]
async fn the_longest_names_of_machines_stay_apart_and_are_shortened_for_people() {
    let stage = Stage::new().await;
    let name = |first: &str, last: &str| {
        let (namespace, name) = ("n".repeat(62), "k".repeat(252));
        format!("{first}{namespace}/{name}{last}")
    };
    let names = [name("a", "x"), name("a", "y"), name("b", "x")];
    let operators = names.each_ref().map(|_| Operator::new());
    let declared = || {
        let keys = operators.iter().zip(&names);
        let keys = keys.map(|(operator, name)| operator.key(json!({"machineUser": name})));
        state(1, vec![operators[0].admin("Ada")], keys.collect())
    };
    let report = apply(&stage, declared()).await;
    assert_eq!(report.refused_keys, []);
    let mut machines = BTreeSet::new();
    for (operator, name) in operators.iter().zip(&names) {
        let machine = operator.open(&stage).await.unwrap();
        let expected = Uuid::new_v5(&stage.tenant.0, format!("machine:{name}").as_bytes());
        assert_eq!(machine.user().0, expected);
        let shown = stage.airline.users.me(&machine).await.unwrap();
        let shown = shown.entity.display_name.into_known().unwrap();
        assert_eq!(shown.chars().count(), 100);
        machines.insert(shown);
    }
    assert_eq!(machines.len(), 3, "{machines:?}");
    let head = stage.stores.events.head().await.unwrap();
    apply(&stage, declared()).await;
    assert_eq!(stage.stores.events.head().await.unwrap(), head);
}

#[tokio::test]
async fn a_wrong_digest_is_named() {
    let stage = Stage::new().await;
    let operator = Operator::new();
    let wrong = operator.key(json!({"digest": "short"}));
    let answer = stage
        .airline
        .desired
        .apply(state(1, vec![operator.admin("Ada")], vec![wrong]));
    let Err(DesiredError::Service(error)) = answer.await else {
        panic!("accepted")
    };
    assert_eq!(refused::<()>(Err(error)).0, "invalid-input");
}
