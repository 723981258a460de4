//! How accounts come into being, and how the operator's admins are kept in line.

use jiff::Timestamp;

use crate::domain::aggregate::Context;
use crate::domain::personal::Personal;
use crate::domain::refusal::{Faults, Refusal};
use crate::domain::roles::{Role, Roles};
use crate::domain::tenant::RegistrationPolicy;
use crate::domain::text;
use crate::domain::user::command::NewUser;
use crate::domain::user::event::{Registration, UserEvent};
use crate::domain::user::rules::{self, UserFacts};
use crate::domain::user::state::{User, UserStatus};

type Ctx = Context<UserFacts>;
type Decision = Result<Vec<UserEvent>, Refusal>;

/// Registers oneself as a pilot, or somebody by an admin.
pub fn register(user: &NewUser, context: &Ctx) -> Decision {
    let own = context.actor.user_id().is_none() && !context.actor.hosts();
    if own && (user.roles != Roles::from(Role::Pilot) || user.machine) {
        return Err(Refusal::forbidden(
            "pilots-only",
            "Whoever registers becomes a Pilot; an admin grants more.",
        ));
    }
    if own && context.facts.registration == RegistrationPolicy::InviteOnly {
        return Err(Refusal::forbidden(
            "invite-only",
            "Pilots of this airline are invited by its admins.",
        ));
    }
    if !own && !context.actor.administers() {
        return Err(rules::not_an_admin());
    }
    rules::refuse_platform_admin(&Roles::default(), &user.roles, context)?;
    if user.machine && !context.actor.hosts() {
        return Err(Refusal::forbidden(
            "declared-elsewhere",
            "Machine users come from manifests only.",
        ));
    }
    if !user.machine {
        rules::refuse_pilot_too_many(&user.roles, context)?;
    }
    check_user(user)?;
    let pending = own && context.facts.registration == RegistrationPolicy::Approval;
    Ok(registration(user, user.machine, pending))
}

/// Creates the account of an admin whom the operator declares.
pub fn register_managed(user: &NewUser, context: &Ctx) -> Decision {
    rules::operator_only(context)?;
    check_user(user)?;
    Ok(registration(user, true, false))
}

/// Brings an existing account in line with the declared admin: role, management, name and standing. Whoever had it
/// before may be somebody else, since addresses are not verified: what they could prove themselves with is void.
pub fn ensure_admin(admin: &User, wish: &NewUser, context: &Ctx) -> Decision {
    rules::operator_only(context)?;
    check_user(wish)?;
    if admin.status == UserStatus::Erased {
        return Err(rules::erased());
    }
    let mut events = Vec::new();
    if !admin.managed {
        events.push(UserEvent::ManagementChanged { managed: true });
        events.extend(own_keys_revoked(admin, context.now));
    }
    let kept = admin.roles.iter().filter(|role| !is_admin(*role));
    let roles: Roles = kept.chain(wish.roles.iter()).collect();
    if roles != admin.roles {
        events.push(UserEvent::RolesChanged { roles });
    }
    events.extend(in_good_standing(admin));
    if admin.display_name.text() != Some(wish.display_name.as_str()) {
        events.push(UserEvent::ProfileChanged {
            display_name: wish.display_name.as_str().into(),
            callsign: admin.callsign.clone(),
        });
    }
    Ok(events)
}

/// Makes an existing account an admin's from the command line. As with [`ensure_admin`], whoever had it before may be
/// somebody else, unless it is an active admin's already.
pub fn promote(user: &User, context: &Ctx) -> Decision {
    rules::operator_only(context)?;
    if user.roles.administer() && user.status == UserStatus::Active {
        return Ok(Vec::new());
    }
    let roles = user.roles.clone().with(Role::TenantAdmin);
    let mut events = vec![UserEvent::RolesChanged { roles }];
    events.extend(in_good_standing(user));
    events.extend(own_keys_revoked(user, context.now));
    Ok(events)
}

fn in_good_standing(user: &User) -> Option<UserEvent> {
    match user.status {
        UserStatus::Pending => Some(UserEvent::Approved),
        UserStatus::Suspended => Some(UserEvent::Reinstated),
        UserStatus::Active | UserStatus::Erased => None,
    }
}

/// Without those that have ended for good by themselves, of which there may be more than fit into an append.
fn own_keys_revoked(user: &User, now: Timestamp) -> impl Iterator<Item = UserEvent> {
    let own = user
        .keys
        .iter()
        .filter(move |(_, key)| !key.managed && key.revoked_at.is_none() && key.is_recent(now));
    own.map(|(id, _)| UserEvent::ApiKeyRevoked { key_id: id.clone() })
}

/// Takes back what [`ensure_admin`] gave. The operator's wish wins, even for the last admin.
pub fn release_admin(user: &User, context: &Ctx) -> Decision {
    rules::operator_only(context)?;
    if !user.managed || user.machine {
        return Ok(Vec::new());
    }
    let mut roles: Roles = user.roles.iter().filter(|role| !is_admin(*role)).collect();
    if roles.is_empty() {
        roles = Role::Pilot.into();
    }
    Ok(vec![
        UserEvent::ManagementChanged { managed: false },
        UserEvent::RolesChanged { roles },
    ])
}

fn registration(user: &NewUser, managed: bool, pending: bool) -> Vec<UserEvent> {
    let registered = UserEvent::Registered(Registration {
        email: user.email.as_deref().map(Personal::from),
        display_name: user.display_name.as_str().into(),
        callsign: user.callsign.as_deref().map(Personal::from),
        roles: user.roles.clone(),
        managed,
        machine: user.machine,
        pending,
    });
    let password = user.with_password.then_some(UserEvent::PasswordChanged);
    [registered].into_iter().chain(password).collect()
}

fn check_user(user: &NewUser) -> Result<(), Refusal> {
    let mut faults = Faults::default();
    match &user.email {
        Some(email) => text::check_email(&mut faults, "/email", email),
        None => faults.check(user.machine, "/email", "required", "Must not be empty."),
    }
    faults.check(
        !user.roles.is_empty(),
        "/roles",
        "required",
        "A user holds at least one role.",
    );
    faults.check(
        !(user.machine && user.with_password),
        "/password",
        "machine-user",
        "A machine has keys, not a password.",
    );
    rules::check_names(&mut faults, &user.display_name, user.callsign.as_deref());
    faults.finish()
}

fn is_admin(role: Role) -> bool {
    matches!(role, Role::PlatformAdmin | Role::TenantAdmin)
}
