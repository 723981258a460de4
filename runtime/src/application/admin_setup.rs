//! An administrator from the command line: whoever has the machine can always get in.

use std::sync::Arc;

use secrecy::SecretString;

use crate::application::auth::accounts::{Accounts, UserOrder, log_ins_ended};
use crate::application::auth::rows::link_row;
use crate::application::commands::{Beside, Order};
use crate::application::error::ServiceError;
use crate::application::secrets::LinkToken;
use crate::application::shared::Shared;
use crate::application::users::LINK_LIVES;
use crate::domain::actor::Actor;
use crate::domain::ids::{KeyId, UserId};
use crate::domain::roles::{Role, Roles};
use crate::domain::tenant::{Limits, Profile, Tenant, TenantCommand};
use crate::domain::user::{NewUser, UserCommand};
use crate::ports::credentials::CredentialChange;
use crate::ports::event_store::ClaimChange;

pub struct AdminSetup {
    shared: Arc<Shared>,
    accounts: Arc<Accounts>,
}

impl AdminSetup {
    pub fn new(shared: Arc<Shared>, accounts: Arc<Accounts>) -> Self {
        Self { shared, accounts }
    }

    /// Declares the airline, unless it has been declared.
    pub async fn declare(
        &self,
        display_name: String,
        icao_code: String,
    ) -> Result<(), ServiceError> {
        let tenant = self.shared.tenant;
        if self
            .shared
            .commands
            .load::<Tenant>(tenant)
            .await?
            .state
            .is_some()
        {
            return Ok(());
        }
        let command = TenantCommand::Declare {
            name: self.shared.name.clone(),
            profile: Profile {
                display_name,
                icao_code,
                public_url: self.shared.public_url.clone(),
                limits: Limits::default(),
            },
        };
        let order = Order::<Tenant>::new(tenant, command, Actor::CommandLine, ());
        self.shared.commands.execute(order).await?;
        Ok(())
    }

    /// Whether the airline has been declared.
    pub async fn is_declared(&self) -> Result<bool, ServiceError> {
        let tenant = self.shared.commands.load::<Tenant>(self.shared.tenant);
        Ok(tenant.await?.state.is_some())
    }

    /// Makes sure that the account exists and is an admin's; gives the address that logs it in once.
    pub async fn link(&self, email: &str, name: &str) -> Result<SecretString, ServiceError> {
        let known = self.accounts.by_email(email).await?;
        let user = match known {
            None => self.register(email, name).await?,
            Some(user) => self.promote(user).await?,
        };
        let link = LinkToken::generate(&*self.shared.entropy);
        let digest = self.shared.pepper.login_link_digest(&link);
        let now = self.shared.now();
        let expires_at = now.saturating_add(LINK_LIVES).unwrap_or(now);
        let link_id =
            KeyId::parse(link.id()).ok_or_else(|| ServiceError::not_found("log-in link"))?;
        let row = link_row(user, link.id(), &digest, now, Some(expires_at));
        let command = UserCommand::IssueLoginLink {
            link_id,
            expires_at,
        };
        let mut order = UserOrder::new(user, command, Actor::CommandLine);
        order.beside.credentials.push(CredentialChange::Put(row));
        self.accounts.execute(order).await?;
        Ok(link.url(&self.shared.public_url))
    }

    async fn register(&self, email: &str, name: &str) -> Result<UserId, ServiceError> {
        let user = UserId(self.shared.new_id());
        let command = UserCommand::Register(NewUser {
            email: Some(email.trim().to_owned()),
            display_name: name.trim().to_owned(),
            callsign: None,
            roles: Roles::from(Role::Pilot).with(Role::TenantAdmin),
            machine: false,
            with_password: false,
        });
        let mut order = UserOrder::new(user, command, Actor::CommandLine);
        order.beside = Beside {
            claims: vec![ClaimChange::Take {
                claim: self.shared.pepper.email_claim(email),
                owner: user.0,
            }],
            credentials: Vec::new(),
        };
        self.accounts.execute(order).await?;
        Ok(user)
    }

    /// Addresses are not verified: whoever registered this one keeps no way in to an account that becomes an admin's.
    async fn promote(&self, user: UserId) -> Result<UserId, ServiceError> {
        let mut order = UserOrder::new(user, UserCommand::Promote, Actor::CommandLine);
        order.beside.credentials = log_ins_ended(user);
        self.accounts.execute(order).await?;
        Ok(user)
    }
}
