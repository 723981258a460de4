//! What may be done to an account, and by whom.

use jiff::Timestamp;

use crate::domain::aggregate::Context;
use crate::domain::ids::{KeyId, UserId};
use crate::domain::personal::Personal;
use crate::domain::refusal::{Faults, Refusal};
use crate::domain::roles::{Role, Roles};
use crate::domain::text;
use crate::domain::user::command::{NewUser, UserCommand};
use crate::domain::user::event::{Registration, UserEvent};
use crate::domain::user::state::{User, UserStatus};

/// What a decision about a user needs to know beside the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserFacts {
    /// How many *other* active people, not machines, hold the TenantAdmin role.
    pub other_admins: u32,
    /// The tenant wants new accounts approved.
    pub approval_required: bool,
}

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
    if !own && !context.actor.administers() {
        return Err(not_an_admin());
    }
    refuse_platform_admin(&Roles::default(), &user.roles, context)?;
    if user.machine && !context.actor.hosts() {
        return Err(Refusal::forbidden(
            "declared-elsewhere",
            "Machine users come from manifests only.",
        ));
    }
    check_user(user)?;
    let pending = own && context.facts.approval_required;
    Ok(registration(user, user.machine, pending))
}

/// Creates the account of an admin whom the operator declares.
pub fn register_managed(user: &NewUser, context: &Ctx) -> Decision {
    operator_only(context)?;
    check_user(user)?;
    Ok(registration(user, true, false))
}

/// Brings an existing account in line with the declared admin: role, management, name and standing.
pub fn ensure_admin(admin: &User, wish: &NewUser, context: &Ctx) -> Decision {
    operator_only(context)?;
    check_user(wish)?;
    if admin.status == UserStatus::Erased {
        return Err(erased());
    }
    let mut events = Vec::new();
    if !admin.managed {
        events.push(UserEvent::ManagementChanged { managed: true });
    }
    let kept = admin.roles.iter().filter(|role| !is_admin(*role));
    let roles: Roles = kept.chain(wish.roles.iter()).collect();
    if roles != admin.roles {
        events.push(UserEvent::RolesChanged { roles });
    }
    match admin.status {
        UserStatus::Pending => events.push(UserEvent::Approved),
        UserStatus::Suspended => events.push(UserEvent::Reinstated),
        UserStatus::Active | UserStatus::Erased => {}
    }
    if admin.display_name.text() != Some(wish.display_name.as_str()) {
        events.push(UserEvent::ProfileChanged {
            display_name: wish.display_name.as_str().into(),
            callsign: admin.callsign.clone(),
        });
    }
    Ok(events)
}

/// Takes back what [`ensure_admin`] gave. The operator's wish wins, even for the last admin.
pub fn release_admin(user: &User, context: &Ctx) -> Decision {
    operator_only(context)?;
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

pub fn set_roles(user: &User, roles: &Roles, context: &Ctx) -> Decision {
    admin_only(context)?;
    refuse_managed(user, context)?;
    refuse_platform_admin(&user.roles, roles, context)?;
    if roles.is_empty() {
        return Err(Refusal::invalid(
            "/roles",
            "required",
            "A user holds at least one role.",
        ));
    }
    if *roles == user.roles {
        return Ok(Vec::new());
    }
    if !roles.contains(Role::TenantAdmin) {
        refuse_last_admin(user, context)?;
    }
    Ok(vec![UserEvent::RolesChanged {
        roles: roles.clone(),
    }])
}

pub fn approve(user: &User, context: &Ctx) -> Decision {
    admin_only(context)?;
    Ok(match user.status {
        UserStatus::Pending => vec![UserEvent::Approved],
        UserStatus::Active | UserStatus::Suspended | UserStatus::Erased => Vec::new(),
    })
}

pub fn suspend(user: &User, reason: &str, context: &Ctx) -> Decision {
    admin_only(context)?;
    refuse_managed(user, context)?;
    if user.status == UserStatus::Suspended {
        return Ok(Vec::new());
    }
    refuse_last_admin(user, context)?;
    let mut faults = Faults::default();
    text::check_required_text(&mut faults, "/reason", reason, text::MAX_REASON);
    faults.finish()?;
    Ok(vec![UserEvent::Suspended {
        reason: reason.into(),
    }])
}

pub fn reinstate(user: &User, context: &Ctx) -> Decision {
    admin_only(context)?;
    Ok(match user.status {
        UserStatus::Suspended => vec![UserEvent::Reinstated],
        UserStatus::Active | UserStatus::Pending | UserStatus::Erased => Vec::new(),
    })
}

pub fn change_password(user: &User, context: &Ctx) -> Decision {
    if user.machine {
        return Err(Refusal::conflict(
            "machine-user",
            "A machine has keys, not a password.",
        ));
    }
    if !is_self(context) && !context.actor.hosts() {
        return Err(Refusal::forbidden(
            "not-yours",
            "Everybody changes their own password only.",
        ));
    }
    Ok(vec![UserEvent::PasswordChanged])
}

pub fn change_profile(
    user: &User,
    display_name: &str,
    callsign: Option<&str>,
    context: &Ctx,
) -> Decision {
    if !is_self(context) && !context.actor.administers() {
        return Err(not_yours());
    }
    if user.managed && user.display_name.text() != Some(display_name) {
        refuse_managed(user, context)?;
    }
    check_profile(display_name, callsign)?;
    let display_name = Personal::from(display_name);
    let callsign = callsign.map(Personal::from);
    if display_name == user.display_name && callsign == user.callsign {
        return Ok(Vec::new());
    }
    Ok(vec![UserEvent::ProfileChanged {
        display_name,
        callsign,
    }])
}

pub fn issue_link(user: &User, link_id: &KeyId, expires_at: Timestamp, context: &Ctx) -> Decision {
    admin_only(context)?;
    if user.machine {
        return Err(Refusal::conflict(
            "machine-user",
            "A machine does not log in.",
        ));
    }
    // Whoever can log in as one of the hosting team has its rights.
    refuse_platform_admin(&user.roles, &Roles::default(), context)?;
    Ok(vec![UserEvent::LoginLinkIssued {
        link_id: link_id.clone(),
        expires_at,
    }])
}

pub fn erase(user: &User, context: &Ctx) -> Decision {
    if !is_self(context) {
        admin_only(context)?;
    }
    refuse_managed(user, context)?;
    refuse_last_admin(user, context)?;
    Ok(vec![UserEvent::Erased])
}

/// An erased account takes no command, but erasing and revoking again is no fault.
pub fn decide_erased(command: &UserCommand) -> Decision {
    match command {
        UserCommand::Erase | UserCommand::RevokeApiKey(_) | UserCommand::ReleaseAdmin => {
            Ok(Vec::new())
        }
        _ => Err(erased()),
    }
}

/// The actor is the user whose account it is.
pub fn is_self(context: &Ctx) -> bool {
    context.actor.user_id() == Some(UserId(context.stream))
}

/// Only the user or an admin.
pub fn own_or_admin(context: &Ctx) -> Result<(), Refusal> {
    if is_self(context) || context.actor.administers() {
        Ok(())
    } else {
        Err(not_yours())
    }
}

pub fn operator_only(context: &Ctx) -> Result<(), Refusal> {
    if context.actor.hosts() {
        Ok(())
    } else {
        Err(Refusal::forbidden(
            "declared-elsewhere",
            "This comes from manifests, not over REST.",
        ))
    }
}

/// The refusal for an account or key that only the operator changes.
pub fn managed() -> Refusal {
    Refusal::conflict(
        "managed",
        "This is managed by the hosting platform and read-only here.",
    )
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
    check_names(&mut faults, &user.display_name, user.callsign.as_deref());
    faults.finish()
}

fn check_profile(display_name: &str, callsign: Option<&str>) -> Result<(), Refusal> {
    let mut faults = Faults::default();
    check_names(&mut faults, display_name, callsign);
    faults.finish()
}

fn check_names(faults: &mut Faults, display_name: &str, callsign: Option<&str>) {
    text::check_line(faults, "/displayName", display_name, text::MAX_NAME);
    if let Some(callsign) = callsign {
        text::check_line(faults, "/callsign", callsign, 16);
    }
}

fn is_admin(role: Role) -> bool {
    matches!(role, Role::PlatformAdmin | Role::TenantAdmin)
}

fn admin_only(context: &Ctx) -> Result<(), Refusal> {
    if context.actor.administers() {
        Ok(())
    } else {
        Err(not_an_admin())
    }
}

fn refuse_managed(user: &User, context: &Ctx) -> Result<(), Refusal> {
    let hosted = user.managed || user.roles.contains(Role::PlatformAdmin);
    if hosted && !context.actor.hosts() {
        Err(managed())
    } else {
        Ok(())
    }
}

/// PlatformAdmin is neither granted nor taken over REST.
fn refuse_platform_admin(before: &Roles, after: &Roles, context: &Ctx) -> Result<(), Refusal> {
    let same = before.contains(Role::PlatformAdmin) == after.contains(Role::PlatformAdmin);
    if same || context.actor.hosts() {
        return Ok(());
    }
    Err(Refusal::forbidden(
        "platform-admin",
        "PlatformAdmin comes from the operator or the command line only.",
    ))
}

fn refuse_last_admin(user: &User, context: &Ctx) -> Result<(), Refusal> {
    let counts = user.status == UserStatus::Active && !user.machine;
    if user.roles.contains(Role::TenantAdmin) && counts && context.facts.other_admins == 0 {
        return Err(Refusal::conflict(
            "last-admin",
            "The last TenantAdmin cannot be demoted, suspended or erased.",
        ));
    }
    Ok(())
}

fn not_an_admin() -> Refusal {
    Refusal::forbidden("not-an-admin", "Only a TenantAdmin may do this.")
}

fn not_yours() -> Refusal {
    Refusal::forbidden("not-yours", "This account belongs to somebody else.")
}

fn erased() -> Refusal {
    Refusal::conflict("erased", "This person's data has been erased.")
}
