//! Declared API keys: they exist, open what is declared, and are revoked when they are no longer declared.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::application::auth::accounts::{Accounts, UserOrder};
use crate::application::auth::rows::key_row;
use crate::application::desired::admins::digest;
use crate::application::desired::model::{
    DesiredKey, DesiredState, KeyState, RefusedKey, ReportedKey,
};
use crate::application::error::ServiceError;
use crate::application::projections::tables::USER_API_KEYS;
use crate::application::queries;
use crate::application::shared::Shared;
use crate::application::views::{StoredApiKey, UserView};
use crate::domain::actor::{Actor, RecordedActor};
use crate::domain::event::DomainEvent;
use crate::domain::ids::{KeyId, UserId};
use crate::domain::refusal::Refusal;
use crate::domain::roles::Roles;
use crate::domain::text;
use crate::domain::user::{GRACE, NewApiKey, NewUser, User, UserCommand, UserEvent};
use crate::ports::credentials::{CredentialChange, CredentialKind};
use crate::ports::read_model::{Filter, Value};

pub struct Keys {
    shared: Arc<Shared>,
    accounts: Arc<Accounts>,
}

impl Keys {
    pub fn new(shared: Arc<Shared>, accounts: Arc<Accounts>) -> Self {
        Self { shared, accounts }
    }

    /// Every declared key is registered as declared, but for those that are answered: the rules do not permit them.
    pub async fn ensure(&self, keys: &[DesiredKey]) -> Result<Vec<RefusedKey>, ServiceError> {
        let mut refused = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let id = key_id(index, key)?;
            let digest = digest(&format!("/apiKeys/{index}/digest"), &key.digest)?;
            match self.ensure_one(key, &id, &digest).await {
                Ok(()) => {}
                Err(ServiceError::Refused(refusal)) => {
                    tracing::warn!(key_id = %id, %refusal, "a declared key is refused");
                    refused.push(RefusedKey {
                        key_id: id.to_string(),
                        message: refusal.detail,
                    });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(refused)
    }

    /// Whatever is managed and not declared any more opens nothing any more; what has ended for good did so by itself.
    pub async fn revoke_unwanted(&self, desired: &DesiredState) -> Result<(), ServiceError> {
        let declared = desired.api_keys.iter().map(|key| key.key_id.as_str());
        let kept = desired.kept_api_keys.iter().map(String::as_str);
        let wanted: BTreeSet<&str> = declared.chain(kept).collect();
        for key in self.managed().await? {
            if key.key.revoked_at.is_none() && !wanted.contains(key.id.as_str()) {
                self.revoke(key.user, key.id).await?;
            }
        }
        Ok(())
    }

    /// The managed keys that may open something, or would if they were not revoked, oldest first.
    pub async fn report(&self) -> Result<Vec<ReportedKey>, ServiceError> {
        let now = self.shared.now();
        let keys = self.managed().await?.into_iter();
        let reported = keys.map(|key| ReportedKey {
            key_id: key.id.to_string(),
            state: match &key.key {
                revoked if revoked.revoked_at.is_some() => KeyState::Revoked,
                live if live.is_live(now) => KeyState::Active,
                _ => KeyState::Expired,
            },
        });
        Ok(reported.collect())
    }

    /// Without those that expired so long ago that no flight needs them any more: every rotation leaves one.
    async fn managed(&self) -> Result<Vec<StoredApiKey>, ServiceError> {
        let now = self.shared.now();
        let spent = now.saturating_sub(GRACE).unwrap_or(now).as_microsecond();
        let filters = vec![
            Filter::Equals("managed", Value::Integer(1)),
            Filter::AtLeast("expires_at", Value::Integer(spent.saturating_add(1))),
        ];
        queries::all(
            &*self.shared.read_model,
            &USER_API_KEYS,
            filters,
            "issued_at",
        )
        .await
    }

    async fn ensure_one(
        &self,
        key: &DesiredKey,
        id: &KeyId,
        digest: &[u8; 32],
    ) -> Result<(), ServiceError> {
        let user = match self.owner(key, id).await? {
            None if key.revoked => return Ok(()),
            None => return Err(Refusal::conflict("unknown-user", UNKNOWN).into()),
            Some(user) if key.revoked => return self.revoke(user, id.clone()).await,
            Some(user) => user,
        };
        let now = self.shared.now();
        let row = key_row(user, id, digest, &key.scopes, now, key.expires_at);
        let command = UserCommand::EnsureApiKey(NewApiKey {
            key_id: id.clone(),
            name: shown(key),
            scopes: key.scopes.clone(),
            expires_at: key.expires_at,
        });
        let mut order = UserOrder::new(user, command, Actor::Operator);
        let put = CredentialChange::Put(row);
        order.beside.credentials.push(put.clone());
        let done = self.accounts.execute(order).await?;
        let present = done.state.keys.get(id);
        if done.events.is_empty() && present.is_some_and(|key| key.is_live(now)) {
            self.ensure_digest(user, id, put).await?;
        }
        Ok(())
    }

    /// An imported log knows its keys, and none of their digests.
    async fn ensure_digest(
        &self,
        user: UserId,
        id: &KeyId,
        put: CredentialChange,
    ) -> Result<(), ServiceError> {
        let (credentials, kind) = (&self.shared.credentials, CredentialKind::ApiKey);
        if credentials.credential(kind, id.as_str()).await?.is_some() {
            return Ok(());
        }
        credentials.change(vec![put]).await?;
        // Whoever revoked the key since the log was read found no digest to take away.
        let owner = self.shared.commands.load::<User>(user.0).await?;
        let key = owner.state.as_ref().and_then(|user| user.keys.get(id));
        if key.is_none_or(|key| key.revoked_at.is_some()) {
            let id = id.to_string();
            let delete = CredentialChange::Delete { kind, id };
            credentials.change(vec![delete]).await?;
        }
        self.accounts.keys.forget([id], owner.position).await;
        Ok(())
    }

    async fn revoke(&self, user: UserId, id: KeyId) -> Result<(), ServiceError> {
        let owner: Option<UserView> = self.shared.load(user.0).await?;
        if owner.is_none_or(|owner| !owner.entity.keys.contains_key(&id)) {
            return Ok(());
        }
        let order = UserOrder::new(user, UserCommand::RevokeApiKey(id), Actor::Operator);
        self.accounts.execute(order).await?;
        Ok(())
    }

    /// The user that the key acts for, or a machine of its own; none while nobody has registered the address.
    async fn owner(&self, key: &DesiredKey, id: &KeyId) -> Result<Option<UserId>, ServiceError> {
        let Some(email) = &key.user else {
            return self.machine(key).await.map(Some);
        };
        let Some(user) = self.accounts.by_email(email).await? else {
            return Ok(None);
        };
        let account: Option<UserView> = self.shared.load(user.0).await?;
        // What it opens may always be narrowed and ended.
        let is_known = account.is_some_and(|account| account.entity.keys.contains_key(id));
        if is_known || self.is_vouched_for(user).await? {
            return Ok(Some(user));
        }
        Err(Refusal::conflict("unverified-user", UNVERIFIED).into())
    }

    /// Whether somebody answers for who has this account: addresses are not verified, and anybody can register one.
    async fn is_vouched_for(&self, user: UserId) -> Result<bool, ServiceError> {
        let history = self.shared.stream(user.0).await?;
        Ok(history.iter().any(|it| {
            let actor = RecordedActor::parse(&it.actor);
            match &it.event {
                DomainEvent::User(UserEvent::Registered(_)) => actor != RecordedActor::Anonymous,
                DomainEvent::User(UserEvent::ManagementChanged { managed }) => *managed,
                // `albatross admin` ends every earlier way in.
                DomainEvent::User(UserEvent::RolesChanged { .. }) => {
                    actor == RecordedActor::CommandLine
                }
                _ => false,
            }
        }))
    }

    async fn machine(&self, key: &DesiredKey) -> Result<UserId, ServiceError> {
        let name = format!("machine:{}", key.machine_user);
        let user = UserId(Uuid::new_v5(&self.shared.tenant.0, name.as_bytes()));
        let needed = Roles::needed_for(&key.scopes);
        let present: Option<UserView> = self.shared.load::<UserId, User>(user.0).await?;
        let command = match present {
            None => UserCommand::Register(NewUser {
                email: None,
                display_name: shown(key),
                callsign: None,
                roles: needed,
                machine: true,
                with_password: false,
            }),
            Some(machine) if needed.iter().all(|role| machine.entity.roles.cover(role)) => {
                return Ok(user);
            }
            Some(machine) => {
                let roles = machine.entity.roles.iter().chain(needed.iter());
                UserCommand::SetRoles(roles.collect())
            }
        };
        let order = UserOrder::new(user, command, Actor::Operator);
        self.accounts.execute(order).await?;
        Ok(user)
    }
}

/// The machine's and the key's name for people; who they are goes by the whole of it.
fn shown(key: &DesiredKey) -> String {
    text::shortened(&key.machine_user, text::MAX_NAME)
}

const UNKNOWN: &str = "Nobody has this e-mail address here yet: a key acts for admins and for whom an admin has invited. It \
    works once they are.";

const UNVERIFIED: &str = "Whoever registered this e-mail address did so by themselves and need not be its owner: a key \
    acts for admins and for whom an admin has invited. They can issue a key of their own.";

fn key_id(index: usize, key: &DesiredKey) -> Result<KeyId, ServiceError> {
    KeyId::parse(&key.key_id).ok_or_else(|| {
        let pointer = format!("/apiKeys/{index}/keyId");
        ServiceError::invalid(&pointer, "not-an-id", "Must be 12 letters or digits.")
    })
}
