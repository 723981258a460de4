//! Declared admins: they exist, hold their role, and lose it when they are no longer declared.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine};

use crate::application::auth::accounts::{Accounts, UserOrder};
use crate::application::auth::principal::Principal;
use crate::application::auth::rows::link_row;
use crate::application::desired::model::{DesiredAdmin, DesiredLink, ReportedAdmin};
use crate::application::error::ServiceError;
use crate::application::projections::tables::USERS;
use crate::application::queries;
use crate::application::shared::Shared;
use crate::application::views::UserView;
use crate::domain::actor::Actor;
use crate::domain::event::DomainEvent;
use crate::domain::ids::{KeyId, UserId};
use crate::domain::personal::Personal;
use crate::domain::roles::Role;
use crate::domain::user::{NewUser, UserCommand, UserEvent};
use crate::ports::credentials::CredentialChange;
use crate::ports::event_store::ClaimChange;
use crate::ports::read_model::{Filter, Value};

pub struct Admins {
    shared: Arc<Shared>,
    accounts: Arc<Accounts>,
}

impl Admins {
    pub fn new(shared: Arc<Shared>, accounts: Arc<Accounts>) -> Self {
        Self { shared, accounts }
    }

    /// Every declared admin has an account, the role, and the link to log in with.
    pub async fn ensure(&self, admins: &[DesiredAdmin]) -> Result<(), ServiceError> {
        for (index, admin) in admins.iter().enumerate() {
            let user = self.ensure_one(admin).await?;
            if let Some(link) = &admin.login_link {
                self.ensure_link(user, link, index).await?;
            }
        }
        Ok(())
    }

    /// Whoever is managed and not declared any more is no admin any more.
    pub async fn release(&self, admins: &[DesiredAdmin]) -> Result<(), ServiceError> {
        let mut declared = BTreeSet::new();
        for admin in admins {
            declared.extend(self.accounts.by_email(&admin.email).await?);
        }
        for user in self.managed().await? {
            if !declared.contains(&user.id) {
                let command = UserCommand::ReleaseAdmin;
                let order = UserOrder::new(user.id, command, Actor::Operator);
                self.accounts.execute(order).await?;
            }
        }
        Ok(())
    }

    /// The managed admins, by name.
    pub async fn report(&self) -> Result<Vec<ReportedAdmin>, ServiceError> {
        let mut reported = Vec::new();
        for user in self.managed().await? {
            let email = user.entity.email.and_then(Personal::into_known);
            reported.push(ReportedAdmin {
                email: email.unwrap_or_default(),
                user_id: user.id.0,
                has_logged_in: Principal::has_logged_in(&*self.shared.credentials, user.id).await?,
            });
        }
        Ok(reported)
    }

    async fn managed(&self) -> Result<Vec<UserView>, ServiceError> {
        let filters = vec![
            Filter::Equals("managed", Value::Integer(1)),
            Filter::Equals("machine", Value::Integer(0)),
        ];
        queries::all(&*self.shared.read_model, &USERS, filters, "name").await
    }

    async fn ensure_one(&self, admin: &DesiredAdmin) -> Result<UserId, ServiceError> {
        let known = self.accounts.by_email(&admin.email).await?;
        let user = known.unwrap_or_else(|| UserId(self.shared.new_id()));
        let command = UserCommand::EnsureAdmin(NewUser {
            email: Some(admin.email.clone()),
            display_name: admin.display_name.clone(),
            callsign: None,
            roles: [Role::from(admin.role)].into_iter().collect(),
            machine: false,
            with_password: false,
        });
        let mut order = UserOrder::new(user, command, Actor::Operator);
        order.beside.claims.push(ClaimChange::Take {
            claim: self.shared.pepper.email_claim(&admin.email),
            owner: user.0,
        });
        self.accounts.execute(order).await?;
        Ok(user)
    }

    /// A link that was issued before is not issued again: it may have been used up.
    async fn ensure_link(
        &self,
        user: UserId,
        link: &DesiredLink,
        index: usize,
    ) -> Result<(), ServiceError> {
        let pointer = |member: &str| format!("/admins/{index}/loginLink/{member}");
        let id = KeyId::parse(&link.id).ok_or_else(|| {
            ServiceError::invalid(&pointer("id"), "not-an-id", "Must be 12 letters or digits.")
        })?;
        let issued = self.shared.stream(user.0).await?;
        let issued = issued.iter().any(|envelope| {
            matches!(&envelope.event, DomainEvent::User(UserEvent::LoginLinkIssued { link_id, .. }) if *link_id == id)
        });
        if issued {
            return Ok(());
        }
        let digest = digest(&pointer("digest"), &link.digest)?;
        let now = self.shared.now();
        let row = link_row(user, id.as_str(), &digest, now, Some(link.expires_at));
        let command = UserCommand::IssueLoginLink {
            link_id: id,
            expires_at: link.expires_at,
        };
        let mut order = UserOrder::new(user, command, Actor::Operator);
        order.beside.credentials.push(CredentialChange::Put(row));
        self.accounts.execute(order).await?;
        Ok(())
    }
}

/// The 32 bytes of a digest in standard base64.
pub fn digest(pointer: &str, text: &str) -> Result<[u8; 32], ServiceError> {
    let bytes = BASE64_STANDARD.decode(text).ok();
    let digest = bytes.and_then(|bytes| bytes.try_into().ok());
    digest.ok_or_else(|| {
        ServiceError::invalid(pointer, "not-a-digest", "Must be 32 bytes in base64.")
    })
}
