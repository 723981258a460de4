//! A person or a machine: who they are, what they may do, which keys stand for them.

pub mod command;
pub mod event;
pub mod keys;
pub mod registration;
pub mod rules;
pub mod state;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::aggregate::{Aggregate, Context};
use crate::domain::ids::UserId;
use crate::domain::refusal::Refusal;

pub use command::{NewApiKey, NewUser, UserCommand};
pub use event::{ApiKeyGrant, Registration, UserEvent};
pub use rules::UserFacts;
pub use state::{ApiKey, GRACE, MAX_LIVE_KEYS, MAX_OWN_KEYS, User, UserStatus};

impl Aggregate for User {
    type Command = UserCommand;
    type Event = UserEvent;
    type Facts = UserFacts;

    const NAME: &'static str = "user";

    fn decide(
        state: Option<&Self>,
        command: &UserCommand,
        context: &Context<UserFacts>,
    ) -> Result<Vec<UserEvent>, Refusal> {
        use UserCommand as C;
        match (command, state) {
            (C::Register(user), None) => registration::register(user, context),
            (C::Register(_), Some(_)) => Err(Refusal::conflict(
                "already-registered",
                "There is such a user already.",
            )),
            (C::EnsureAdmin(user), None) => registration::register_managed(user, context),
            (C::EnsureAdmin(user), Some(admin)) => registration::ensure_admin(admin, user, context),
            (_, None) => Err(Refusal::not_found(Self::NAME)),
            (_, Some(user)) if user.status == UserStatus::Erased => rules::decide_erased(command),
            (C::ReleaseAdmin, Some(user)) => registration::release_admin(user, context),
            (C::Promote, Some(user)) => registration::promote(user, context),
            (C::SetRoles(roles), Some(user)) => rules::set_roles(user, roles, context),
            (C::Approve, Some(user)) => rules::approve(user, context),
            (C::Suspend { reason }, Some(user)) => rules::suspend(user, reason, context),
            (C::Reinstate, Some(user)) => rules::reinstate(user, context),
            (C::ChangePassword, Some(user)) => rules::change_password(user, context),
            (
                C::ChangeProfile {
                    display_name,
                    callsign,
                },
                Some(user),
            ) => rules::change_profile(user, display_name, callsign.as_deref(), context),
            (C::IssueApiKey(key), Some(user)) => keys::issue(user, key, context),
            (C::EnsureApiKey(key), Some(user)) => keys::ensure(user, key, context),
            (C::RevokeApiKey(id), Some(user)) => keys::revoke(user, id, context),
            (
                C::IssueLoginLink {
                    link_id,
                    expires_at,
                },
                Some(user),
            ) => rules::issue_link(user, link_id, *expires_at, context),
            (C::Erase, Some(user)) => rules::erase(user, context),
        }
    }

    fn evolve(state: Option<Self>, event: &UserEvent, at: Timestamp) -> Option<Self> {
        match (state, event) {
            (None, UserEvent::Registered(registration)) => {
                Some(Self::registered(registration.clone(), at))
            }
            (None, _) => None,
            (Some(user), event) => Some(user.after(event, at)),
        }
    }

    fn subject(&self, stream: Uuid) -> Option<UserId> {
        Some(UserId(stream))
    }
}
