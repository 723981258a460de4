//! Commands on a user's account, with all that is kept beside the log about the user.

use std::sync::Arc;

use uuid::Uuid;

use crate::application::auth::keys::KeyCheck;
use crate::application::auth::principal::Principal;
use crate::application::auth::revocations::Revocation;
use crate::application::auth::sessions::Sessions;
use crate::application::auth::turns;
use crate::application::commands::{Beside, CommandError, Done, Order};
use crate::application::detached::to_its_end;
use crate::application::error::ServiceError;
use crate::application::limits;
use crate::application::projections::lane::Lane;
use crate::application::projections::tables::USERS;
use crate::application::shared::Shared;
use crate::domain::actor::Actor;
use crate::domain::event::DomainEvent;
use crate::domain::ids::{KeyId, UserId};
use crate::domain::roles::Role;
use crate::domain::tenant::{RegistrationPolicy, Tenant};
use crate::domain::user::{User, UserCommand, UserEvent, UserFacts, UserStatus};
use crate::ports::credentials::{Credential, CredentialChange, CredentialKind};
use crate::ports::event_store::ClientRequest;
use crate::ports::read_model::{Filter, Value};

/// Carries out commands on users.
pub struct Accounts {
    pub shared: Arc<Shared>,
    pub keys: Arc<KeyCheck>,
}

/// How often a change of admins is tried while others change them too.
const ATTEMPTS: usize = 3;

/// A command on a user's account.
#[derive(Clone)]
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
    /// Executes the command; roles, standing and caches are as current as the log when it returns, and soon after if its
    /// caller goes away.
    pub async fn execute(self: &Arc<Self>, order: UserOrder) -> Result<Done<User>, CommandError> {
        let accounts = self.clone();
        let done = to_its_end(async move { accounts.carry_out(order).await });
        done.await.map_err(CommandError::Unavailable)?
    }

    async fn carry_out(&self, order: UserOrder) -> Result<Done<User>, CommandError> {
        for _ in 0..ATTEMPTS {
            match self.attempt(order.clone()).await {
                Err(CommandError::ClaimTaken { claim, .. }) if turns::is_turn(&claim) => {}
                done => return done,
            }
        }
        Err(CommandError::Contended)
    }

    async fn attempt(&self, order: UserOrder) -> Result<Done<User>, CommandError> {
        let principal = self.principal(order.user).await?;
        let turn = match takes_an_admin(&order.command, principal.as_ref())? {
            true => Some(turns::next(&self.shared).await?),
            false => None,
        };
        // After the turn: whoever takes an admin between the two takes this turn too.
        let facts = UserFacts {
            other_admins: match turn {
                Some(_) => self.other_admins(order.user).await?,
                None => 0,
            },
            registration: self.registration(&order).await?,
            pilots_reached: self
                .pilots_reached(&order.command, principal.as_ref())
                .await?,
        };
        let (mut read, mut full) = (None, None);
        match &order.command {
            UserCommand::Register(new) if !new.machine => full = limits::full(&self.shared).await,
            // Its owner could go on for ever; admins have to be able to.
            UserCommand::ChangePassword if !order.actor.administers() => {
                let account = self.shared.commands.load::<User>(order.user).await?;
                full = limits::too_long(account.version, "An account takes");
                read = Some(account);
            }
            _ => {}
        }
        let touched = key_of(&order.command).cloned();
        let (user, mut beside) = (order.user, order.beside);
        beside.claims.extend(turn);
        let now = self.shared.now();
        let command = Order::new(user, order.command, order.actor, facts)
            .having_read(read)
            .expecting(order.expected)
            .requested(order.request)
            .correlated(order.correlation_id)
            .unless(full)
            .beside(move |state, events| {
                let mut all = beside.clone();
                if events.iter().any(changes_standing) {
                    let mut row = Principal::of(state).row(user, principal.as_ref(), now);
                    if events.iter().any(comes_under_management) {
                        // Whoever logged in before may be somebody else.
                        row.last_used_at = None;
                    }
                    all.credentials.push(CredentialChange::Put(row));
                }
                all.credentials.extend(ended(user, events));
                all
            });
        let done = self.shared.commands.execute(command).await;
        match &done {
            // Without an event too: whoever repeats a call may have missed the answer, and the caches the news.
            Ok(done) => {
                let touched = touched.as_ref();
                self.forget(&done.state, touched, done.position).await;
                self.tell(user, done).await;
            }
            Err(CommandError::Repeated(before)) => {
                let user = self.shared.commands.load::<User>(before.stream_id).await?;
                if let Some(state) = &user.state {
                    self.forget(state, touched.as_ref(), user.position).await;
                }
            }
            Err(_) => {}
        }
        done
    }

    /// Whatever is cached of the user's keys is from before `position`. Of keys that ended long ago nothing is, but for
    /// the one that the command was about: its end may have been set back.
    async fn forget(&self, user: &User, touched: Option<&KeyId>, position: i64) {
        let now = self.shared.now();
        let keys = user.keys.iter();
        let keys = keys.filter(|(id, key)| key.is_recent(now) || Some(*id) == touched);
        let ids: Vec<&KeyId> = keys.map(|(id, _)| id).collect();
        self.keys.forget(ids, position).await;
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

    /// The limit on pilots, if the command brings one more than there may be.
    async fn pilots_reached(
        &self,
        command: &UserCommand,
        before: Option<&Credential>,
    ) -> Result<Option<u32>, CommandError> {
        let is_pilot = holds(before, Role::Pilot)?;
        let brings = match command {
            UserCommand::Register(new) => !new.machine,
            UserCommand::Approve => true,
            UserCommand::SetRoles(roles) => roles.contains(Role::Pilot) && !is_pilot,
            _ => false,
        };
        if !brings {
            return Ok(None);
        }
        let reached = limits::pilots_reached(&self.shared).await;
        reached.map_err(|error| CommandError::Unavailable(error.into()))
    }

    /// How the airline takes those who register themselves, as its own stream says now.
    async fn registration(&self, order: &UserOrder) -> Result<RegistrationPolicy, CommandError> {
        if order.actor != Actor::Anonymous {
            return Ok(RegistrationPolicy::default());
        }
        let tenant = self.shared.commands.load::<Tenant>(self.shared.tenant);
        let tenant = tenant.await?.state;
        Ok(tenant.map_or_else(RegistrationPolicy::default, |it| it.settings.registration))
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

/// Whether the command may leave the airline with one admin less.
fn takes_an_admin(
    command: &UserCommand,
    principal: Option<&Credential>,
) -> Result<bool, CommandError> {
    let is_admin = holds(principal, Role::TenantAdmin)?;
    let takes = match command {
        UserCommand::SetRoles(roles) => !roles.contains(Role::TenantAdmin),
        UserCommand::EnsureAdmin(wish) => !wish.roles.contains(Role::TenantAdmin),
        UserCommand::ReleaseAdmin | UserCommand::Suspend { .. } | UserCommand::Erase => true,
        _ => false,
    };
    Ok(is_admin && takes)
}

/// The key that the command is about.
fn key_of(command: &UserCommand) -> Option<&KeyId> {
    match command {
        UserCommand::IssueApiKey(key) | UserCommand::EnsureApiKey(key) => Some(&key.key_id),
        UserCommand::RevokeApiKey(id) => Some(id),
        _ => None,
    }
}

fn holds(principal: Option<&Credential>, role: Role) -> Result<bool, CommandError> {
    let present = principal.map(Principal::read).transpose();
    let present = present.map_err(|error| CommandError::Unavailable(error.into()))?;
    Ok(present.is_some_and(|it| it.roles.contains(role)))
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

/// The hosting platform declares the owner of this e-mail address, which nobody has verified.
fn comes_under_management(event: &UserEvent) -> bool {
    matches!(event, UserEvent::ManagementChanged { managed: true })
}

/// What stops to prove anything: sessions on suspension, what was set before an admin was declared, everything on
/// erasure, a key on revocation.
fn ended(user: UserId, events: &[UserEvent]) -> Vec<CredentialChange> {
    let of = |event: &UserEvent| match event {
        UserEvent::Suspended { .. } => {
            vec![
                Sessions::end_all(user),
                all(user, CredentialKind::LoginLink),
            ]
        }
        UserEvent::ManagementChanged { managed: true } => log_ins_ended(user),
        UserEvent::Erased => {
            let mut ended = log_ins_ended(user);
            ended.push(all(user, CredentialKind::ApiKey));
            ended.push(CredentialChange::Erase { subject: user.0 });
            ended
        }
        UserEvent::ApiKeyRevoked { key_id } => vec![CredentialChange::Delete {
            kind: CredentialKind::ApiKey,
            id: key_id.to_string(),
        }],
        _ => Vec::new(),
    };
    events.iter().flat_map(of).collect()
}

/// Nothing that was set before logs this user in any more.
pub fn log_ins_ended(user: UserId) -> Vec<CredentialChange> {
    vec![
        Sessions::end_all(user),
        all(user, CredentialKind::Password),
        all(user, CredentialKind::LoginLink),
    ]
}

fn all(user: UserId, kind: CredentialKind) -> CredentialChange {
    CredentialChange::DeleteAll {
        kind,
        subject: user.0,
    }
}
