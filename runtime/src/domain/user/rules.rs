//! What may be done to an account, and by whom.

use jiff::Timestamp;

use crate::domain::aggregate::Context;
use crate::domain::ids::{KeyId, UserId};
use crate::domain::personal::Personal;
use crate::domain::refusal::{Faults, Refusal};
use crate::domain::roles::{Role, Roles};
use crate::domain::tenant::RegistrationPolicy;
use crate::domain::text;
use crate::domain::user::command::UserCommand;
use crate::domain::user::event::UserEvent;
use crate::domain::user::state::{User, UserStatus};

/// What a decision about a user needs to know beside the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserFacts {
    /// How many *other* active people, not machines, hold the TenantAdmin role.
    pub other_admins: u32,
    /// How the airline takes those who register themselves.
    pub registration: RegistrationPolicy,
    /// The airline's limit on pilots, if there are so many.
    pub pilots_reached: Option<u32>,
}

type Ctx = Context<UserFacts>;
type Decision = Result<Vec<UserEvent>, Refusal>;

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
    if !user.machine && !user.roles.contains(Role::Pilot) {
        refuse_pilot_too_many(roles, context)?;
    }
    Ok(vec![UserEvent::RolesChanged {
        roles: roles.clone(),
    }])
}

pub fn approve(user: &User, context: &Ctx) -> Decision {
    admin_only(context)?;
    if user.status != UserStatus::Pending {
        return Ok(Vec::new());
    }
    refuse_pilot_too_many(&user.roles, context)?;
    Ok(vec![UserEvent::Approved])
}

pub fn suspend(user: &User, reason: &str, context: &Ctx) -> Decision {
    admin_only(context)?;
    refuse_managed(user, context)?;
    if user.status == UserStatus::Suspended {
        return Ok(Vec::new());
    }
    // Its reinstatement would admit whom nobody has approved.
    if user.status == UserStatus::Pending {
        return Err(Refusal::conflict(
            "not-approved",
            "Whoever awaits approval may do nothing yet that a suspension would stop: approve or erase the account.",
        ));
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

fn check_profile(display_name: &str, callsign: Option<&str>) -> Result<(), Refusal> {
    let mut faults = Faults::default();
    check_names(&mut faults, display_name, callsign);
    faults.finish()
}

pub fn check_names(faults: &mut Faults, display_name: &str, callsign: Option<&str>) {
    text::check_line(faults, "/displayName", display_name, text::MAX_NAME);
    if let Some(callsign) = callsign {
        text::check_line(faults, "/callsign", callsign, 16);
    }
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
pub fn refuse_platform_admin(before: &Roles, after: &Roles, context: &Ctx) -> Result<(), Refusal> {
    let same = before.contains(Role::PlatformAdmin) == after.contains(Role::PlatformAdmin);
    if same || context.actor.hosts() {
        return Ok(());
    }
    Err(Refusal::forbidden(
        "platform-admin",
        "PlatformAdmin comes from the operator or the command line only.",
    ))
}

/// Whoever becomes a pilot counts against the airline's limit.
pub fn refuse_pilot_too_many(roles: &Roles, context: &Ctx) -> Result<(), Refusal> {
    match context.facts.pilots_reached {
        Some(most) if roles.contains(Role::Pilot) => Err(Refusal::limit(
            "too-many-pilots",
            format!("The airline is declared to have at most {most} pilots, and has them."),
        )),
        _ => Ok(()),
    }
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

pub fn not_an_admin() -> Refusal {
    Refusal::forbidden("not-an-admin", "Only a TenantAdmin may do this.")
}

fn not_yours() -> Refusal {
    Refusal::forbidden("not-yours", "This account belongs to somebody else.")
}

pub fn erased() -> Refusal {
    Refusal::conflict("erased", "This person's data has been erased.")
}
