//! A user's API keys: issued once, listed without their secret, revoked at once.

use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;

use crate::application::auth::accounts::{Accounts, UserOrder};
use crate::application::auth::rows::key_row;
use crate::application::error::ServiceError;
use crate::application::identity::Identity;
use crate::application::secrets::ApiKeyText;
use crate::application::shared::Shared;
use crate::application::views::{ApiKeyView, UserView};
use crate::application::write::{WriteOptions, Written};
use crate::domain::ids::{KeyId, UserId};
use crate::domain::refusal::Refusal;
use crate::domain::roles::Scopes;
use crate::domain::user::{NewApiKey, User, UserCommand};
use crate::ports::credentials::{CredentialChange, CredentialKind};

pub struct ApiKeys {
    shared: Arc<Shared>,
    accounts: Arc<Accounts>,
}

/// What a key is to be.
pub struct NewKey {
    pub name: String,
    pub scopes: Scopes,
    pub expires_at: Option<Timestamp>,
}

pub struct IssuedKey {
    pub view: ApiKeyView,
    /// The whole key: given this one time.
    pub key: SecretString,
}

impl ApiKeys {
    pub fn new(shared: Arc<Shared>, accounts: Arc<Accounts>) -> Self {
        Self { shared, accounts }
    }

    pub async fn issue(
        &self,
        identity: &Identity,
        user: UserId,
        new: NewKey,
        options: WriteOptions,
    ) -> Result<Written<IssuedKey>, ServiceError> {
        let key = ApiKeyText::generate(&*self.shared.entropy);
        let id = KeyId::parse(key.id()).ok_or_else(key_not_found)?;
        let digest = self.shared.pepper.api_key_digest(&key);
        let now = self.shared.now();
        let row = key_row(user, &id, &digest, &new.scopes, now, new.expires_at);
        let command = UserCommand::IssueApiKey(NewApiKey {
            key_id: id.clone(),
            name: new.name.trim().to_owned(),
            scopes: new.scopes,
            expires_at: new.expires_at,
        });
        let mut order = UserOrder::new(user, command, identity.actor());
        order.beside.credentials.push(CredentialChange::Put(row));
        order.correlation_id = options.correlation_id;
        order.request = options.idempotency.map(|named| named.request(true));
        let done = self.accounts.execute(order).await;
        let written = self.shared.answer::<UserId, User>(user.0, done).await?;
        let issued = written.entity.entity.keys.get(&id).cloned();
        let view = ApiKeyView {
            key: issued.ok_or_else(key_not_found)?,
            id,
            last_used_at: None,
        };
        let key = key.into_text();
        Ok(written.map(|_| IssuedKey { view, key }))
    }

    /// All of a user's keys that are not revoked, oldest first: for the user and for admins.
    pub async fn list(
        &self,
        identity: &Identity,
        user: UserId,
    ) -> Result<Vec<ApiKeyView>, ServiceError> {
        if identity.user() != user && !identity.actor().administers() {
            return Err(Refusal::forbidden("not-yours", "These keys are somebody else's.").into());
        }
        let owner: Option<UserView> = self.shared.load::<UserId, User>(user.0).await?;
        let owner = owner.ok_or_else(|| ServiceError::not_found("user"))?;
        let kind = CredentialKind::ApiKey;
        let rows = self.shared.credentials.credentials_of(kind, user.0).await?;
        let used = |id: &KeyId| {
            let row = rows.iter().find(|row| row.id == id.as_str());
            row.and_then(|row| row.last_used_at)
        };
        let keys = owner.entity.keys.into_iter();
        let mut keys: Vec<ApiKeyView> = keys
            .filter(|(_, key)| key.revoked_at.is_none())
            .map(|(id, key)| ApiKeyView {
                last_used_at: used(&id),
                id,
                key,
            })
            .collect();
        keys.sort_by(|one, other| {
            (one.key.issued_at, &one.id).cmp(&(other.key.issued_at, &other.id))
        });
        Ok(keys)
    }

    /// The key opens nothing any more when this returns. A second time changes nothing.
    pub async fn revoke(
        &self,
        identity: &Identity,
        user: UserId,
        key: &str,
        options: WriteOptions,
    ) -> Result<Written<()>, ServiceError> {
        let id = KeyId::parse(key).ok_or_else(key_not_found)?;
        let command = UserCommand::RevokeApiKey(id);
        let mut order = UserOrder::new(user, command, identity.actor());
        order.correlation_id = options.correlation_id;
        order.request = options.idempotency.map(|named| named.request(false));
        let done = self.accounts.execute(order).await;
        let written = self.shared.answer::<UserId, User>(user.0, done).await?;
        Ok(written.map(|_| ()))
    }
}

fn key_not_found() -> ServiceError {
    ServiceError::not_found("API key")
}
