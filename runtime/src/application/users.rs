//! Users: registration, roles, standing, and who may read about whom.

use std::sync::Arc;

use jiff::SignedDuration;
use secrecy::SecretString;

use crate::application::auth::accounts::{Accounts, UserOrder};
use crate::application::auth::rows::{link_row, password_row};
use crate::application::commands::{Beside, CommandError};
use crate::application::error::ServiceError;
use crate::application::identity::Identity;
use crate::application::paging::{Listed, Page};
use crate::application::passwords;
use crate::application::projections::entities::document;
use crate::application::projections::tables::USERS;
use crate::application::queries::{self, Sort};
use crate::application::secrets::LinkToken;
use crate::application::shared::Shared;
use crate::application::views::UserView;
use crate::application::write::{WriteOptions, Written};
use crate::domain::actor::Actor;
use crate::domain::ids::UserId;
use crate::domain::refusal::Refusal;
use crate::domain::roles::{Role, Roles};
use crate::domain::user::{NewUser, User, UserCommand, UserStatus};
use crate::ports::credentials::{Credential, CredentialChange};
use crate::ports::event_store::ClaimChange;
use crate::ports::read_model::{Filter, Value};

/// How long a one-time log-in link waits to be used.
pub const LINK_LIVES: SignedDuration = SignedDuration::from_hours(72);

pub struct Users {
    shared: Arc<Shared>,
    accounts: Arc<Accounts>,
}

/// Somebody new.
pub struct Register {
    pub email: String,
    pub display_name: String,
    /// May be left out by an admin: a one-time link is given instead.
    pub password: Option<SecretString>,
}

pub struct Registered {
    pub user: UserView,
    /// The address that logs the new user in once.
    pub login_link: Option<SecretString>,
}

/// Which users are listed; all of it must hold.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    /// Part of name, callsign or e-mail address.
    pub search: Option<String>,
    pub role: Option<Role>,
    pub status: Option<UserStatus>,
}

impl Users {
    pub fn new(shared: Arc<Shared>, accounts: Arc<Accounts>) -> Self {
        Self { shared, accounts }
    }

    /// Registers oneself (without an identity), if the airline takes those, or somebody else as a pilot.
    pub async fn register(
        &self,
        by: Option<&Identity>,
        new: Register,
        options: WriteOptions,
    ) -> Result<Written<Registered>, ServiceError> {
        let actor = by.map_or(Actor::Anonymous, Identity::actor);
        if new.password.is_none() && !actor.administers() {
            return Err(ServiceError::invalid(
                "/password",
                "required",
                "Must not be empty.",
            ));
        }
        let user = UserId(self.shared.new_id());
        let email = new.email.trim().to_owned();
        let (verifier, link) = self.first_credential(user, new.password).await?;
        let command = UserCommand::Register(NewUser {
            email: Some(email.clone()),
            display_name: new.display_name.trim().to_owned(),
            callsign: None,
            roles: Role::Pilot.into(),
            machine: false,
            with_password: link.is_none(),
        });
        let mut order = UserOrder::new(user, command, actor);
        order.beside = Beside {
            claims: vec![self.claim(user, &email)],
            credentials: vec![CredentialChange::Put(verifier)],
        };
        order.correlation_id = options.correlation_id;
        let named = options.idempotency.as_ref();
        order.request = named.map(|named| {
            let mut request = named.request(link.is_some());
            // The body holds a password, which a plain digest would let anybody try who has the database.
            request.body_digest = self.shared.pepper.body_digest(&request.body_digest);
            request
        });
        let done = self.accounts.execute(order).await;
        let done = done.map_err(email_taken);
        let written = self.shared.answer::<UserId, User>(user.0, done).await?;
        let public_url = &self.shared.public_url;
        let login_link = link.map(|link| link.url(public_url));
        Ok(written.map(|user| Registered { user, login_link }))
    }

    /// The caller's own account, as current as the log.
    pub async fn me(&self, identity: &Identity) -> Result<UserView, ServiceError> {
        self.load(identity.user()).await
    }

    /// One's own account, or for staff anybody's.
    pub async fn get(&self, identity: &Identity, user: UserId) -> Result<UserView, ServiceError> {
        if identity.user() != user && !identity.reads_users() {
            return Err(ServiceError::not_found("user"));
        }
        let row = self.shared.read_model.get(&USERS, user.0).await?;
        let row = row.ok_or_else(|| ServiceError::not_found("user"))?;
        document(&USERS, row)
    }

    /// For staff only, by name.
    pub async fn list(
        &self,
        identity: &Identity,
        filter: UserFilter,
        page: Page,
    ) -> Result<Listed<UserView>, ServiceError> {
        if !identity.reads_users() {
            return Err(Refusal::forbidden("not-staff", "Only staff list users.").into());
        }
        let mut filters = Vec::new();
        if let Some(search) = &filter.search {
            filters.push(Filter::Contains("search", search.trim().to_lowercase()));
        }
        if let Some(role) = filter.role {
            filters.push(Filter::Equals(role_column(role), Value::Integer(1)));
        }
        if let Some(status) = filter.status {
            let status = Value::Text(status.as_str().to_owned());
            filters.push(Filter::Equals("status", status));
        }
        let sort = Sort {
            column: "name",
            descending: false,
        };
        let list = format!("users {filter:?}");
        queries::page(
            &*self.shared.read_model,
            &USERS,
            vec![filters],
            sort,
            &list,
            &page,
        )
        .await
    }

    /// Replaces all roles of a user.
    pub async fn set_roles(
        &self,
        identity: &Identity,
        user: UserId,
        roles: Roles,
        options: WriteOptions,
    ) -> Result<Written<UserView>, ServiceError> {
        let command = UserCommand::SetRoles(roles);
        self.change(identity, user, command, options).await
    }

    /// Ends the user's sessions and keeps them from beginning anything.
    pub async fn suspend(
        &self,
        identity: &Identity,
        user: UserId,
        reason: String,
        options: WriteOptions,
    ) -> Result<Written<UserView>, ServiceError> {
        let command = UserCommand::Suspend { reason };
        self.change(identity, user, command, options).await
    }

    pub async fn reinstate(
        &self,
        identity: &Identity,
        user: UserId,
        options: WriteOptions,
    ) -> Result<Written<UserView>, ServiceError> {
        self.change(identity, user, UserCommand::Reinstate, options)
            .await
    }

    /// Lets in who registered and waits.
    pub async fn approve(
        &self,
        identity: &Identity,
        user: UserId,
        options: WriteOptions,
    ) -> Result<Written<UserView>, ServiceError> {
        self.change(identity, user, UserCommand::Approve, options)
            .await
    }

    async fn change(
        &self,
        identity: &Identity,
        user: UserId,
        command: UserCommand,
        options: WriteOptions,
    ) -> Result<Written<UserView>, ServiceError> {
        let mut order = UserOrder::new(user, command, identity.actor());
        order.expected = options.if_match;
        order.correlation_id = options.correlation_id;
        order.request = options.idempotency.map(|named| named.request(false));
        let done = self.accounts.execute(order).await;
        self.shared.answer(user.0, done).await
    }

    async fn load(&self, user: UserId) -> Result<UserView, ServiceError> {
        let view = self.shared.load::<UserId, User>(user.0).await?;
        view.ok_or_else(|| ServiceError::not_found("user"))
    }

    /// A password, or the link that stands in for one until it is set.
    async fn first_credential(
        &self,
        user: UserId,
        password: Option<SecretString>,
    ) -> Result<(Credential, Option<LinkToken>), ServiceError> {
        let now = self.shared.now();
        if let Some(password) = password {
            passwords::check_length("/password", &password)?;
            let phc = self.shared.passwords.hash(password).await?;
            return Ok((password_row(user, phc, now), None));
        }
        let link = LinkToken::generate(&*self.shared.entropy);
        let digest = self.shared.pepper.login_link_digest(&link);
        let expires_at = now.saturating_add(LINK_LIVES).ok();
        Ok((
            link_row(user, link.id(), &digest, now, expires_at),
            Some(link),
        ))
    }

    fn claim(&self, user: UserId, email: &str) -> ClaimChange {
        ClaimChange::Take {
            claim: self.shared.pepper.email_claim(email),
            owner: user.0,
        }
    }
}

fn role_column(role: Role) -> &'static str {
    match role {
        Role::PlatformAdmin => "platform_admin",
        Role::TenantAdmin => "tenant_admin",
        Role::Reviewer => "reviewer",
        Role::Pilot => "pilot",
    }
}

fn email_taken(error: CommandError) -> CommandError {
    match error {
        CommandError::ClaimTaken { .. } => CommandError::Refused(Refusal::conflict(
            "email-taken",
            "There is an account with this e-mail address.",
        )),
        other => other,
    }
}
