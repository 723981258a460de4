//! What follows from a log alone: the same as what was written beside it, and never more than its rules allow.

use std::sync::Arc;

use albatross::application::derived::{Derivation, DerivationError, Derived};
use albatross::codec::{self, DataKey, KeyRing, TenantKey};
use albatross::domain::event::DomainEvent;
use albatross::domain::ids::{TenantId, UserId};
use albatross::domain::roles::Role;
use albatross::domain::user::{Registration, UserEvent};
use albatross::ports::credentials::CredentialKind;
use albatross::ports::event_store::{RecordedEvent, SubjectKey};
use jiff::Timestamp;
use rstest::rstest;
use uuid::Uuid;

use crate::stage::*;

const TENANT_KEY: [u8; 32] = [9; 32];
const DATA_KEY: [u8; 32] = [3; 32];

fn derivation(tenant: TenantId) -> Derivation {
    Derivation::new(tenant, &TENANT_KEY, [7; 32])
}

#[tokio::test]
async fn claims_and_principals_are_those_that_were_written() {
    let stage = Stage::new().await;
    let [bob, eve] = [stage.pilot("Bob").await, stage.pilot("Eve").await];
    let rita = stage.person("Rita", &[Role::Reviewer, Role::Pilot]).await;
    let host = somebody(UserId(Uuid::nil()), &[Role::TenantAdmin]);
    let users = &stage.airline.users;
    let suspended = users.suspend(&host, eve.user(), "late".to_owned(), Default::default());
    suspended.await.unwrap();
    let log = &stage.stores.events;
    let events = log.read_after(0, 1_000).await.unwrap();
    let people = [bob.user(), eve.user(), rita.user()];
    let keys = log.subject_keys(&people.map(|user| user.0)).await.unwrap();
    let mut read = derivation(stage.tenant);
    read.commit(&events, &keys).unwrap();
    let Derived {
        claims,
        credentials,
        erased,
    } = read.finish(Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!((claims.len(), credentials.len()), (3, 3));
    assert_eq!(erased, []);
    for (claim, owner) in claims {
        assert_eq!(log.claim_owner(&claim).await.unwrap(), Some(owner));
    }
    for row in credentials {
        let kind = CredentialKind::Principal;
        assert_eq!(row.kind, kind);
        let written = stage.stores.credentials.credential(kind, &row.id).await;
        assert_eq!(written.unwrap().unwrap().data, row.data);
    }
    // Whoever has no key was erased after these events.
    let keys = keys.into_iter().filter(|key| key.subject != eve.user().0);
    let mut read = derivation(stage.tenant);
    read.commit(&events, &keys.collect::<Vec<_>>()).unwrap();
    let derived = read.finish(Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(derived.erased, [eve.user()]);
}

/// A user's event as somebody might have written it into a file.
fn forged(stream: UserId, version: i32, actor: &str, event: UserEvent) -> RecordedEvent {
    let event_id = Uuid::new_v4();
    let mut keys = KeyRing::default();
    keys.insert(stream, Arc::new(DataKey::new(&DATA_KEY)));
    let event: DomainEvent = event.into();
    let encoded = codec::encode(&event, event_id, Some(stream), &keys).unwrap();
    RecordedEvent {
        position: 7,
        stream_id: stream.0,
        version,
        kind: encoded.kind,
        schema: encoded.schema,
        event_id,
        command_id: Uuid::new_v4(),
        causation_id: None,
        correlation_id: None,
        actor: actor.to_owned(),
        recorded_at: Timestamp::UNIX_EPOCH,
        payload: encoded.payload,
    }
}

fn key(subject: UserId) -> SubjectKey {
    let wrapped = TenantKey::new(&TENANT_KEY).wrap(subject, &DATA_KEY);
    SubjectKey {
        subject: subject.0,
        wrapped: wrapped.unwrap(),
    }
}

fn registered(email: &str, role: Role) -> UserEvent {
    UserEvent::Registered(Registration {
        email: Some(email.into()),
        display_name: "Mallory".into(),
        callsign: None,
        roles: role.into(),
        managed: false,
        machine: false,
        pending: false,
    })
}

#[rstest]
#[case::the_operator("operator", true)]
#[case::the_command_line("command-line", true)]
#[case::a_person("user:00000000-0000-0000-0000-000000000007", false)]
#[case::nobody_known("anonymous", false)]
#[case::a_later_release("robot:7", false)]
fn platform_admins_are_made_by_the_hosting_team_only(#[case] actor: &str, #[case] may: bool) {
    let user = UserId(Uuid::new_v4());
    let first = forged(
        user,
        1,
        "anonymous",
        registered("m@skyways.example", Role::Pilot),
    );
    let roles = Role::PlatformAdmin.into();
    let promoted = forged(user, 2, actor, UserEvent::RolesChanged { roles });
    let born = forged(
        user,
        1,
        actor,
        registered("m@skyways.example", Role::PlatformAdmin),
    );
    for events in [vec![first, promoted], vec![born]] {
        let mut derivation = derivation(TenantId(Uuid::nil()));
        let read = derivation.commit(&events, &[key(user)]);
        match read {
            Err(DerivationError::PlatformAdmin { position: 7 }) => assert!(!may),
            other => assert!(other.is_ok() && may, "{other:?}"),
        }
    }
}

#[test]
fn an_address_is_one_persons() {
    let people = [UserId(Uuid::new_v4()), UserId(Uuid::new_v4())];
    let emails = ["m@skyways.example", " M@skyways.example"];
    let events: Vec<_> = people
        .iter()
        .zip(emails)
        .map(|(user, email)| forged(*user, 1, "anonymous", registered(email, Role::Pilot)))
        .collect();
    let mut derivation = derivation(TenantId(Uuid::nil()));
    derivation.commit(&events, &people.map(key)).unwrap();
    let shared = derivation
        .finish(Timestamp::UNIX_EPOCH)
        .map(|_| ())
        .unwrap_err();
    assert!(matches!(shared, DerivationError::SameAddress(..)));
    assert!(!shared.to_string().contains("skyways"), "{shared}");
}

#[test]
fn an_erased_person_holds_no_address() {
    let user = UserId(Uuid::new_v4());
    let events = [
        forged(
            user,
            1,
            "anonymous",
            registered("m@skyways.example", Role::Pilot),
        ),
        forged(user, 2, "operator", UserEvent::Erased),
    ];
    // With the key or without: the event alone says it.
    for keys in [vec![key(user)], Vec::new()] {
        let mut derivation = derivation(TenantId(Uuid::nil()));
        derivation.commit(&events, &keys).unwrap();
        let derived = derivation.finish(Timestamp::UNIX_EPOCH).unwrap();
        assert!(derived.claims.is_empty());
        assert_eq!(derived.credentials[0].data["status"], "Erased");
    }
}

#[test]
fn a_log_that_breaks_its_own_rules_is_refused() {
    let user = UserId(Uuid::new_v4());
    let mut gap = derivation(TenantId(Uuid::nil()));
    let second = forged(user, 2, "operator", UserEvent::Approved);
    let error = gap.commit(&[second], &[]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("version 2 of its stream follows 0")
    );
    let mut foreign = derivation(TenantId(Uuid::nil()));
    let other = SubjectKey {
        subject: user.0,
        wrapped: vec![1; 61],
    };
    let error = foreign.commit(&[], &[other]).unwrap_err();
    assert!(matches!(error, DerivationError::OtherKey));
}
