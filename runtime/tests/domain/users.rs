//! What may be done to accounts and keys, and by whom.

use albatross::domain::actor::{Actor, KeyUse, Person};
use albatross::domain::ids::KeyId;
use albatross::domain::personal::Personal;
use albatross::domain::roles::{Role, Roles, Scope};
use albatross::domain::tenant::RegistrationPolicy;
use albatross::domain::user::{
    ApiKeyGrant, MAX_LIVE_KEYS, MAX_OWN_KEYS, NewApiKey, NewUser, Registration, User, UserCommand,
    UserEvent, UserFacts, UserStatus,
};
use jiff::{Timestamp, ToSpan};

use crate::given::{Given, PILOT, admin, now, pilot, reviewer, stranger};

fn new_user(role: Role) -> NewUser {
    NewUser {
        email: Some("ada@skyways.example".into()),
        display_name: "Ada".into(),
        callsign: None,
        roles: role.into(),
        machine: false,
        with_password: false,
    }
}

fn registered(role: Role, managed: bool) -> UserEvent {
    UserEvent::Registered(Registration {
        email: Some("ada@skyways.example".into()),
        display_name: "Ada".into(),
        callsign: None,
        roles: role.into(),
        managed,
        machine: false,
        pending: false,
    })
}

fn user(role: Role) -> Given<User> {
    Given::events([registered(role, false)]).of(PILOT)
}

fn key_id(index: usize) -> KeyId {
    KeyId::parse(&format!("{index:012}")).unwrap()
}

fn new_key(index: usize, scopes: &[Scope]) -> NewApiKey {
    NewApiKey {
        key_id: key_id(index),
        name: "laptop".into(),
        scopes: scopes.iter().copied().collect(),
        expires_at: None,
    }
}

fn grant(index: usize, expires_at: Option<Timestamp>, managed: bool) -> ApiKeyGrant {
    ApiKeyGrant {
        key_id: key_id(index),
        name: "laptop".into(),
        scopes: [Scope::PirepsWrite].into(),
        expires_at,
        managed,
    }
}

fn roles(roles: &[Role]) -> Roles {
    roles.iter().copied().collect()
}

fn set_roles(wish: &[Role]) -> UserCommand {
    UserCommand::SetRoles(roles(wish))
}

fn with_other_admins(given: Given<User>, other_admins: u32) -> Given<User> {
    given.with(UserFacts {
        other_admins,
        ..UserFacts::default()
    })
}

#[test]
fn whoever_registers_becomes_a_pilot() {
    let given = Given::<User>::nothing().of(PILOT);
    let by_self = |role| given.when(Actor::Anonymous, UserCommand::Register(new_user(role)));
    by_self(Role::Pilot).then([registered(Role::Pilot, false)]);
    by_self(Role::Reviewer).forbidden("pilots-only");

    let mut with_password = new_user(Role::Pilot);
    with_password.with_password = true;
    let user = given
        .when(Actor::Anonymous, UserCommand::Register(with_password))
        .then([registered(Role::Pilot, false), UserEvent::PasswordChanged]);
    assert!(user.unwrap().has_password);
}

#[test]
fn an_airline_approves_or_invites_its_pilots_if_it_likes() {
    let under = |registration| {
        Given::<User>::nothing().of(PILOT).with(UserFacts {
            registration,
            ..UserFacts::default()
        })
    };
    let register = || UserCommand::Register(new_user(Role::Pilot));
    let approval = under(RegistrationPolicy::Approval);
    let pending = approval.when(Actor::Anonymous, register()).state();
    assert_eq!(pending.status, UserStatus::Pending);
    let invite_only = under(RegistrationPolicy::InviteOnly);
    invite_only
        .when(Actor::Anonymous, register())
        .forbidden("invite-only");
    for given in [approval, invite_only] {
        for by in [admin(), Actor::CommandLine] {
            let invited = given.when(by, register()).state();
            assert_eq!(invited.status, UserStatus::Active);
        }
    }
}

#[test]
fn an_admin_approves_once_whoever_waits() {
    let waiting = match registered(Role::Pilot, false) {
        UserEvent::Registered(new) => UserEvent::Registered(Registration {
            pending: true,
            ..new
        }),
        other => other,
    };
    let approve = || UserCommand::Approve;
    let given = |events: Vec<UserEvent>| Given::<User>::events(events).of(PILOT);
    let pending = given(vec![waiting.clone()]);
    let approved = pending.when(admin(), approve()).then([UserEvent::Approved]);
    assert_eq!(approved.unwrap().status, UserStatus::Active);
    for by in [pilot(), reviewer(), stranger(), Actor::Anonymous] {
        pending.when(by, approve()).forbidden("not-an-admin");
    }
    let active = given(vec![waiting.clone(), UserEvent::Approved]);
    active.when(admin(), approve()).then([]);
    let full = UserFacts {
        pilots_reached: Some(20),
        ..UserFacts::default()
    };
    let one_more = given(vec![waiting.clone()]).with(full);
    one_more.when(admin(), approve()).refused("too-many-pilots");
    let suspended = UserEvent::Suspended {
        reason: "rude".into(),
    };
    // No key lets them in either.
    let key = UserCommand::IssueApiKey(new_key(1, &[Scope::PirepsRead]));
    for waits in [
        vec![waiting.clone()],
        vec![waiting.clone(), suspended.clone()],
    ] {
        let waits = given(waits);
        waits.when(admin(), key.clone()).refused("not-active");
    }
    // Whom the command line makes an admin waits for nobody.
    let promoted = given(vec![waiting.clone()]).when(Actor::CommandLine, UserCommand::Promote);
    let roles = Roles::from(Role::Pilot).with(Role::TenantAdmin);
    promoted.then([UserEvent::RolesChanged { roles }, UserEvent::Approved]);
    // Who is suspended is reinstated, with that word.
    given(vec![waiting.clone(), suspended])
        .when(admin(), approve())
        .then([]);
    given(vec![waiting, UserEvent::Erased])
        .when(admin(), approve())
        .conflicts("erased");
}

#[test]
fn a_limit_refuses_one_more_pilot_and_no_other() {
    let full = Given::<User>::nothing().of(PILOT).with(UserFacts {
        pilots_reached: Some(20),
        ..UserFacts::default()
    });
    let by = |actor, role| full.when(actor, UserCommand::Register(new_user(role)));
    by(Actor::Anonymous, Role::Pilot).refused("too-many-pilots");
    by(admin(), Role::Pilot).refused("too-many-pilots");
    by(admin(), Role::Reviewer).state();
    let full = |role| {
        user(role).with(UserFacts {
            pilots_reached: Some(20),
            ..UserFacts::default()
        })
    };
    full(Role::Reviewer)
        .when(admin(), set_roles(&[Role::Reviewer, Role::Pilot]))
        .refused("too-many-pilots");
    // Who is one already takes no other's place.
    full(Role::Pilot)
        .when(admin(), set_roles(&[Role::Reviewer, Role::Pilot]))
        .state();
}

#[test]
fn admins_register_anybody_but_the_hosting_team() {
    let given = Given::<User>::nothing().of(PILOT);
    let by = |actor, role| given.when(actor, UserCommand::Register(new_user(role)));
    by(admin(), Role::Reviewer).state();
    by(admin(), Role::PlatformAdmin).forbidden("platform-admin");
    by(Actor::CommandLine, Role::PlatformAdmin).state();
    by(stranger(), Role::Pilot).forbidden("not-an-admin");
    user(Role::Pilot)
        .when(admin(), UserCommand::Register(new_user(Role::Pilot)))
        .conflicts("already-registered");
}

#[test]
fn a_wrong_registration_names_its_fields() {
    let wrong = NewUser {
        email: Some("ada".into()),
        display_name: "A\u{7}".into(),
        callsign: Some("x".repeat(17)),
        ..new_user(Role::Pilot)
    };
    Given::<User>::nothing()
        .when(Actor::Anonymous, UserCommand::Register(wrong))
        .invalid(&[
            "/email not-an-email",
            "/displayName not-text",
            "/callsign too-long",
        ]);
}

#[test]
fn a_name_that_would_look_like_another_is_refused() {
    let named = |display_name: String| {
        let user = NewUser {
            display_name,
            ..new_user(Role::Pilot)
        };
        Given::<User>::nothing().when(Actor::Anonymous, UserCommand::Register(user))
    };
    for c in "\u{202a}\u{202e}\u{2066}\u{2069}\u{feff}\u{fffe}\u{ffff}\u{1fffe}".chars() {
        named(format!("Ada{c}nimda")).invalid(&["/displayName not-text"]);
    }
    for name in ["Šárka Müller-Łuk", "山田 太郎", "עדה", "Ada 👩\u{200d}✈️"] {
        named(name.to_owned()).state();
    }
}

#[test]
fn a_declared_admin_is_created_and_then_left_alone() {
    let wish = || UserCommand::EnsureAdmin(new_user(Role::TenantAdmin));
    Given::<User>::nothing()
        .when(Actor::Operator, wish())
        .then([registered(Role::TenantAdmin, true)]);
    Given::<User>::events([registered(Role::TenantAdmin, true)])
        .when(Actor::Operator, wish())
        .then([]);
    Given::<User>::nothing()
        .when(admin(), wish())
        .forbidden("declared-elsewhere");
}

#[test]
fn a_pilot_who_is_declared_an_admin_is_brought_in_line() {
    let mut pilot = registered(Role::Pilot, false);
    if let UserEvent::Registered(registration) = &mut pilot {
        registration.display_name = "A.".into();
    }
    let suspended = UserEvent::Suspended {
        reason: "late".into(),
    };
    let user = Given::<User>::events([pilot, suspended])
        .when(
            Actor::Operator,
            UserCommand::EnsureAdmin(new_user(Role::TenantAdmin)),
        )
        .then([
            UserEvent::ManagementChanged { managed: true },
            UserEvent::RolesChanged {
                roles: roles(&[Role::Pilot, Role::TenantAdmin]),
            },
            UserEvent::Reinstated,
            UserEvent::ProfileChanged {
                display_name: "Ada".into(),
                callsign: None,
            },
        ])
        .unwrap();
    assert_eq!(user.status, UserStatus::Active);
}

#[test]
fn an_admin_who_is_no_longer_declared_loses_the_role_even_as_the_last() {
    let released = Given::<User>::events([registered(Role::TenantAdmin, true)])
        .when(Actor::Operator, UserCommand::ReleaseAdmin)
        .state();
    assert_eq!(released.roles, Role::Pilot.into());
    assert!(!released.managed);
    user(Role::TenantAdmin)
        .when(Actor::Operator, UserCommand::ReleaseAdmin)
        .then([]);
}

#[test]
fn roles_are_an_admins_to_change_and_platform_admin_nobodys() {
    let given = user(Role::Pilot);
    given
        .when(admin(), set_roles(&[Role::Reviewer]))
        .then([UserEvent::RolesChanged {
            roles: Role::Reviewer.into(),
        }]);
    given.when(admin(), set_roles(&[Role::Pilot])).then([]);
    given
        .when(admin(), set_roles(&[]))
        .invalid(&["/roles required"]);
    given
        .when(reviewer(), set_roles(&[Role::Reviewer]))
        .forbidden("not-an-admin");
    given
        .when(admin(), set_roles(&[Role::PlatformAdmin]))
        .forbidden("platform-admin");
}

#[test]
fn managed_admins_are_read_only() {
    let given = Given::<User>::events([registered(Role::TenantAdmin, true)]).of(PILOT);
    let given = with_other_admins(given, 5);
    for command in [
        set_roles(&[Role::Pilot]),
        UserCommand::Suspend {
            reason: "late".into(),
        },
        UserCommand::Erase,
    ] {
        given.when(admin(), command).conflicts("managed");
    }
}

#[test]
fn the_last_admin_stays() {
    for command in [
        set_roles(&[Role::Pilot]),
        UserCommand::Suspend {
            reason: "late".into(),
        },
        UserCommand::Erase,
    ] {
        with_other_admins(user(Role::TenantAdmin), 0)
            .when(admin(), command.clone())
            .conflicts("last-admin");
        with_other_admins(user(Role::TenantAdmin), 1)
            .when(admin(), command)
            .state();
    }
}

#[test]
fn suspending_says_why_and_is_undone() {
    let suspend = |reason: &str| UserCommand::Suspend {
        reason: reason.into(),
    };
    let given = user(Role::Pilot);
    given
        .when(admin(), suspend(" "))
        .invalid(&["/reason required"]);
    given
        .when(pilot(), suspend("late"))
        .forbidden("not-an-admin");
    let suspended = given.when(admin(), suspend("late")).state();
    assert_eq!(suspended.status, UserStatus::Suspended);

    let event = UserEvent::Suspended {
        reason: "late".into(),
    };
    let given = Given::<User>::events([registered(Role::Pilot, false), event]);
    given.when(admin(), suspend("late")).then([]);
    let mut waits = registered(Role::Pilot, false);
    if let UserEvent::Registered(registration) = &mut waits {
        registration.pending = true;
    }
    Given::<User>::events([waits])
        .when(admin(), suspend("late"))
        .conflicts("not-approved");
    given
        .when(admin(), UserCommand::Reinstate)
        .then([UserEvent::Reinstated]);
}

#[test]
fn everybody_changes_their_own_password_only() {
    let given = user(Role::Pilot);
    given
        .when(pilot(), UserCommand::ChangePassword)
        .then([UserEvent::PasswordChanged]);
    given
        .when(admin(), UserCommand::ChangePassword)
        .forbidden("not-yours");
    given
        .when(Actor::CommandLine, UserCommand::ChangePassword)
        .state();
}

#[test]
fn profiles_are_their_owners_and_the_admins() {
    let rename = || UserCommand::ChangeProfile {
        display_name: "Ada L.".into(),
        callsign: Some("SKY1".into()),
    };
    let given = user(Role::Pilot);
    given.when(pilot(), rename()).state();
    given.when(admin(), rename()).state();
    given.when(stranger(), rename()).forbidden("not-yours");
    let same = UserCommand::ChangeProfile {
        display_name: "Ada".into(),
        callsign: None,
    };
    given.when(pilot(), same).then([]);
}

#[test]
fn a_key_never_does_more_than_its_owner_or_whoever_issues_it() {
    let given = user(Role::Pilot);
    let issue = |scopes: &[Scope]| UserCommand::IssueApiKey(new_key(1, scopes));
    given
        .when(pilot(), issue(&[Scope::PirepsWrite]))
        .then([UserEvent::ApiKeyIssued(grant(1, None, false))]);
    given
        .when(pilot(), issue(&[Scope::PirepsWrite, Scope::Review]))
        .invalid(&["/scopes beyond-owner"]);
    given
        .when(admin(), issue(&[Scope::Review]))
        .invalid(&["/scopes beyond-owner"]);
    given
        .when(pilot(), issue(&[]))
        .invalid(&["/scopes required"]);
    given
        .when(stranger(), issue(&[Scope::PirepsWrite]))
        .forbidden("not-yours");

    let through_a_key = Actor::User(Person {
        id: PILOT,
        roles: Role::Pilot.into(),
        key: Some(KeyUse {
            id: key_id(9),
            scopes: [Scope::PirepsRead].into(),
        }),
    });
    given
        .when(through_a_key, issue(&[Scope::PirepsWrite]))
        .invalid(&["/scopes beyond-owner"]);
}

#[test]
fn keys_that_are_neither_revoked_nor_expired_are_bounded() {
    let mut events = vec![registered(Role::Pilot, false)];
    events
        .extend((0..MAX_LIVE_KEYS).map(|index| UserEvent::ApiKeyIssued(grant(index, None, false))));
    let one_more = || UserCommand::IssueApiKey(new_key(99, &[Scope::PirepsRead]));
    Given::<User>::events(events.clone())
        .of(PILOT)
        .when(pilot(), one_more())
        .refused("too-many-keys");

    let mut revoked = events.clone();
    revoked.push(UserEvent::ApiKeyRevoked { key_id: key_id(3) });
    Given::<User>::events(revoked)
        .of(PILOT)
        .when(pilot(), one_more())
        .state();

    events[1] = UserEvent::ApiKeyIssued(grant(0, Some(now()), false));
    Given::<User>::events(events)
        .of(PILOT)
        .when(pilot(), one_more())
        .state();
}

#[test]
fn an_account_takes_so_many_keys_and_all_that_may_open_anything_go_at_once() {
    let mut events = vec![registered(Role::Pilot, false)];
    let grants = |index| grant(index, Some(now() - 1.hour()), false);
    events.extend((0..MAX_OWN_KEYS).map(|index| UserEvent::ApiKeyIssued(grants(index))));
    let full = Given::<User>::events(events.clone()).of(PILOT);
    let one_more = || UserCommand::IssueApiKey(new_key(9_999, &[Scope::PirepsRead]));
    full.when(pilot(), one_more()).refused("too-many-keys-ever");
    let declared = || UserCommand::EnsureApiKey(new_key(9_999, &[Scope::PirepsRead]));
    full.when(Actor::Operator, declared()).state();

    // Declared an admin's, it loses them, and no append holds more than 1,000 events.
    let ensure = || UserCommand::EnsureAdmin(new_user(Role::TenantAdmin));
    let taken = full.when(Actor::Operator, ensure()).outcome.unwrap();
    let revoked = |events: &[UserEvent]| {
        let revoked = |event: &&UserEvent| matches!(event, UserEvent::ApiKeyRevoked { .. });
        events.iter().filter(revoked).count()
    };
    assert_eq!(revoked(&taken), MAX_OWN_KEYS);
    assert!(taken.len() <= 1_000, "{}", taken.len());

    // Those that ended a day ago have gone by themselves: more than there may be now, as of an earlier release.
    let spent = |index| grant(index, Some(now() - 24.hours()), false);
    events.extend((900..1_900).map(|index| UserEvent::ApiKeyIssued(spent(index))));
    events.push(UserEvent::ApiKeyChanged(spent(0)));
    let taken = Given::<User>::events(events).of(PILOT);
    let taken = taken.when(Actor::Operator, ensure()).outcome.unwrap();
    assert_eq!(revoked(&taken), MAX_OWN_KEYS - 1);
}

#[test]
fn a_key_ends_in_the_future_and_has_an_id_of_its_own() {
    let given = Given::<User>::events([
        registered(Role::Pilot, false),
        UserEvent::ApiKeyIssued(grant(1, None, false)),
    ])
    .of(PILOT);
    let issue = |index, expires_at| {
        UserCommand::IssueApiKey(NewApiKey {
            expires_at,
            ..new_key(index, &[Scope::PirepsRead])
        })
    };
    given
        .when(pilot(), issue(2, Some(now() - 1.second())))
        .invalid(&["/expiresAt in-the-past"]);
    given
        .when(pilot(), issue(2, "2200-01-01T00:00:00Z".parse().ok()))
        .invalid(&["/expiresAt out-of-range"]);
    given
        .when(pilot(), issue(2, "2199-12-31T23:59:59Z".parse().ok()))
        .state();
    given
        .when(pilot(), issue(1, None))
        .conflicts("already-issued");
    given
        .when(pilot(), issue(2, Some(now() + 1.second())))
        .state();
}

#[test]
fn a_declared_key_follows_its_manifest_until_it_is_revoked() {
    let ensure = |scopes: &[Scope]| UserCommand::EnsureApiKey(new_key(1, scopes));
    let given = Given::<User>::events([
        registered(Role::Pilot, false),
        UserEvent::ApiKeyIssued(grant(1, None, true)),
    ])
    .of(PILOT);
    given
        .when(Actor::Operator, ensure(&[Scope::PirepsWrite]))
        .then([]);
    let changed = ApiKeyGrant {
        scopes: [Scope::PirepsRead].into(),
        ..grant(1, None, true)
    };
    given
        .when(Actor::Operator, ensure(&[Scope::PirepsRead]))
        .then([UserEvent::ApiKeyChanged(changed)]);
    given
        .when(pilot(), ensure(&[Scope::PirepsRead]))
        .forbidden("declared-elsewhere");
    let revoke = || UserCommand::RevokeApiKey(key_id(1));
    given.when(pilot(), revoke()).conflicts("managed");
    given
        .when(Actor::Operator, revoke())
        .then([UserEvent::ApiKeyRevoked { key_id: key_id(1) }]);

    Given::<User>::events([
        registered(Role::Pilot, false),
        UserEvent::ApiKeyIssued(grant(1, None, true)),
        UserEvent::ApiKeyRevoked { key_id: key_id(1) },
    ])
    .when(Actor::Operator, ensure(&[Scope::PirepsRead]))
    .then([]);
}

#[test]
fn revoking_twice_is_no_fault_but_an_unknown_key_is() {
    let given = Given::<User>::events([
        registered(Role::Pilot, false),
        UserEvent::ApiKeyIssued(grant(1, None, false)),
        UserEvent::ApiKeyRevoked { key_id: key_id(1) },
    ])
    .of(PILOT);
    let revoke = |index| UserCommand::RevokeApiKey(key_id(index));
    given.when(pilot(), revoke(1)).then([]);
    given.when(pilot(), revoke(2)).refused("not-found");
    given.when(stranger(), revoke(1)).forbidden("not-yours");
}

#[test]
fn login_links_are_an_admins_to_give_but_not_into_the_hosting_team() {
    let link = || UserCommand::IssueLoginLink {
        link_id: key_id(5),
        expires_at: now() + 1.hour(),
    };
    user(Role::Pilot).when(admin(), link()).state();
    user(Role::Pilot)
        .when(pilot(), link())
        .forbidden("not-an-admin");
    user(Role::PlatformAdmin)
        .when(admin(), link())
        .forbidden("platform-admin");
}

#[test]
fn an_erased_person_leaves_nothing_and_never_comes_back() {
    let given = Given::<User>::events([
        registered(Role::Pilot, false),
        UserEvent::ApiKeyIssued(grant(1, None, false)),
        UserEvent::Erased,
    ])
    .of(PILOT);
    let erased = given.state.clone().unwrap();
    assert_eq!(erased.status, UserStatus::Erased);
    assert_eq!(erased.email, Some(Personal::Erased));
    assert_eq!(erased.display_name, Personal::Erased);
    assert!(erased.roles.is_empty());
    assert_eq!(erased.live_keys(now()), 0);
    given.when(admin(), UserCommand::Erase).then([]);
    given
        .when(admin(), UserCommand::Reinstate)
        .conflicts("erased");
    given
        .when(
            Actor::Operator,
            UserCommand::EnsureAdmin(new_user(Role::TenantAdmin)),
        )
        .conflicts("erased");
}

#[test]
fn a_person_may_erase_themselves() {
    user(Role::Pilot)
        .when(pilot(), UserCommand::Erase)
        .then([UserEvent::Erased]);
    user(Role::Pilot)
        .when(stranger(), UserCommand::Erase)
        .forbidden("not-an-admin");
}
