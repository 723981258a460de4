//! Commands on a user's account, with all that is kept beside the log about the user.

use std::sync::Arc;

use uuid::Uuid;

use crate::application::auth::keys::KeyCheck;
use crate::application::auth::principal::Principal;
use crate::application::auth::revocations::Revocation;
use crate::application::auth::sessions::Sessions;
use crate::application::commands::{Beside, CommandError, Done, Order};
use crate::application::error::ServiceError;
use crate::application::projections::lane::Lane;
use crate::application::projections::tables::USERS;
use crate::application::shared::Shared;
use crate::domain::actor::Actor;
use crate::domain::event::DomainEvent;
use crate::domain::ids::UserId;
use crate::domain::roles::Role;
use crate::domain::user::{User, UserCommand, UserEvent, UserFacts, UserStatus};
use crate::ports::credentials::{Credential, CredentialChange, CredentialKind};
use crate::ports::event_store::ClientRequest;
use crate::ports::read_model::{Filter, Value};

/// Carries out commands on users.
pub struct Accounts {
    pub shared: Arc<Shared>,
    pub keys: Arc<KeyCheck>,
}

/// A command on a user's account.
pub struct UserOrder {
    pub user: UserId,
    pub command: UserCommand,
    pub actor: Actor,
    /// Written with the command's events.
    pub beside: Beside,
    pub request: Option<ClientRequest>,
    pub expected: Option<i32>,
    pub correlation_id: Option<Uuid>,
}

impl UserOrder {
    pub fn new(user: UserId, command: UserCommand, actor: Actor) -> Self {
        Self {
            user,
            command,
            actor,
            beside: Beside::default(),
            request: None,
            expected: None,
            correlation_id: None,
        }
    }
}

impl Accounts {
    /// Executes the command; roles, standing and caches are as current as the log when it returns.
    pub async fn execute(&self, order: UserOrder) -> Result<Done<User>, CommandError> {
        let principal = self.principal(order.user).await?;
        let facts = self.facts(&order, principal.as_ref()).await?;
        let (user, beside) = (order.user, order.beside);
        let now = self.shared.now();
        let command = Order::new(user, order.command, order.actor, facts)
            .expecting(order.expected)
            .requested(order.request)
            .correlated(order.correlation_id)
            .beside(move |state, events| {
                let mut all = beside.clone();
                if events.iter().any(changes_standing) {
                    let row = Principal::of(state).row(user, principal.as_ref(), now);
                    all.credentials.push(CredentialChange::Put(row));
                }
                all.credentials.extend(ended(user, events));
                all
            });
        let done = self.shared.commands.execute(command).await?;
        if !done.events.is_empty() {
            let keys = done.state.keys.keys();
            self.keys.forget(keys, done.position).await;
            self.tell(user, &done).await;
        }
        Ok(done)
    }

    /// After caches have forgotten: whoever is thrown out and comes back is known for what they are now.
    async fn tell(&self, user: UserId, done: &Done<User>) {
        for envelope in &done.events {
            if let DomainEvent::User(event) = &envelope.event
                && let Some(revocation) = Revocation::of(user, event)
            {
                revocation.tell(&self.shared).await;
            }
        }
    }

    /// The account that holds this e-mail address.
    pub async fn by_email(&self, email: &str) -> Result<Option<UserId>, ServiceError> {
        let claim = self.shared.pepper.email_claim(email);
        let owner = self.shared.events.claim_owner(&claim).await?;
        Ok(owner.map(UserId))
    }

    async fn principal(&self, user: UserId) -> Result<Option<Credential>, CommandError> {
        let kind = CredentialKind::Principal;
        let (credentials, id) = (&self.shared.credentials, user.to_string());
        let row = credentials.credential(kind, &id).await;
        row.map_err(CommandError::Unavailable)
    }

    /// Only who is an admin can be the last one.
    async fn facts(
        &self,
        order: &UserOrder,
        principal: Option<&Credential>,
    ) -> Result<UserFacts, CommandError> {
        let unreadable = |error: ServiceError| CommandError::Unavailable(error.into());
        let present = principal.map(Principal::read).transpose();
        let present = present.map_err(unreadable)?;
        let is_admin = present.is_some_and(|it| it.roles.contains(Role::TenantAdmin));
        let demotes = match &order.command {
            UserCommand::SetRoles(roles) => !roles.contains(Role::TenantAdmin),
            UserCommand::Suspend { .. } | UserCommand::Erase => true,
            _ => false,
        };
        let other_admins = if is_admin && demotes {
            self.other_admins(order.user).await?
        } else {
            0
        };
        Ok(UserFacts {
            other_admins,
            approval_required: false,
        })
    }

    /// Counted after everything that is in the log now has been projected.
    async fn other_admins(&self, user: UserId) -> Result<u32, CommandError> {
        let unavailable = |error: ServiceError| CommandError::Unavailable(error.into());
        let head = self.shared.events.head().await;
        let head = head.map_err(CommandError::Unavailable)?;
        let visible = self
            .shared
            .projections
            .wait_for(&[Lane::People], head.position);
        visible.await.map_err(unavailable)?;
        let active = Value::Text(UserStatus::Active.as_str().to_owned());
        let filters = vec![
            Filter::Equals("tenant_admin", Value::Integer(1)),
            Filter::Equals("machine", Value::Integer(0)),
            Filter::Equals("status", active),
        ];
        let itself = Filter::Equals("id", Value::Uuid(user.0));
        let count = |filters| self.shared.read_model.count(&USERS, filters);
        let all = count(filters.clone()).await;
        let all = all.map_err(CommandError::Unavailable)?;
        let own = count([filters, vec![itself]].concat()).await;
        let own = own.map_err(CommandError::Unavailable)?;
        Ok(u32::try_from(all - own).unwrap_or_default())
    }
}

fn changes_standing(event: &UserEvent) -> bool {
    matches!(
        event,
        UserEvent::Registered(_)
            | UserEvent::ManagementChanged { .. }
            | UserEvent::RolesChanged { .. }
            | UserEvent::Approved
            | UserEvent::Suspended { .. }
            | UserEvent::Reinstated
            | UserEvent::Erased
    )
}

/// What stops to prove anything: sessions on suspension, everything on erasure, a key on revocation.
fn ended(user: UserId, events: &[UserEvent]) -> Vec<CredentialChange> {
    let all = |kind| CredentialChange::DeleteAll {
        kind,
        subject: user.0,
    };
    let of = |event: &UserEvent| match event {
        UserEvent::Suspended { .. } => {
            vec![Sessions::end_all(user), all(CredentialKind::LoginLink)]
        }
        UserEvent::Erased => vec![
            Sessions::end_all(user),
            all(CredentialKind::Password),
            all(CredentialKind::LoginLink),
            all(CredentialKind::ApiKey),
        ],
        UserEvent::ApiKeyRevoked { key_id } => vec![CredentialChange::Delete {
            kind: CredentialKind::ApiKey,
            id: key_id.to_string(),
        }],
        _ => Vec::new(),
    };
    events.iter().flat_map(of).collect()
}
