//! The lane of the airline and its people: tenants, users with their roles, their keys.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use crate::application::error::ServiceError;
use crate::application::events::DecodedEvent;
use crate::application::projections::entities::{Entities, upsert};
use crate::application::projections::tables::{TENANTS, USER_API_KEYS, USERS};
use crate::application::views::{StoredApiKey, TenantView, UserView};
use crate::domain::event::DomainEvent;
use crate::domain::ids::{KeyId, TenantId, UserId};
use crate::domain::personal::Personal;
use crate::domain::roles::Role;
use crate::domain::tenant::Tenant;
use crate::domain::user::{User, UserEvent};
use crate::ports::read_model::{Change, LaneRows, Value};

/// What events make of this lane's tables.
pub struct People {
    tenants: Entities<TenantId, Tenant>,
    users: Entities<UserId, User>,
    /// By the id of the row, so that the last change of a key counts.
    keys: BTreeMap<Uuid, Change>,
}

impl People {
    pub fn empty() -> Self {
        Self {
            tenants: Entities::new(&TENANTS),
            users: Entities::new(&USERS),
            keys: BTreeMap::new(),
        }
    }

    pub async fn project(
        &mut self,
        rows: &mut dyn LaneRows,
        events: &[DecodedEvent],
    ) -> Result<(), ServiceError> {
        let of_tenants = events
            .iter()
            .filter(|it| matches!(it.event, DomainEvent::Tenant(_)));
        self.tenants.load(of_tenants, rows).await?;
        let of_users = events
            .iter()
            .filter(|it| matches!(it.event, DomainEvent::User(_)));
        self.users.load(of_users, rows).await?;
        for envelope in events {
            match &envelope.event {
                DomainEvent::Tenant(event) => {
                    self.tenants.evolve(envelope, event);
                }
                DomainEvent::User(event) => {
                    if let Some(user) = self.users.evolve(envelope, event) {
                        self.keys.extend(key_changes(user, event)?);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub fn count(&self) -> usize {
        self.tenants.count() + self.users.count() + self.keys.len()
    }

    pub fn let_go(&mut self, keep: usize) -> Result<Vec<Change>, ServiceError> {
        let mut changes = self.tenants.let_go(keep, |_: &TenantView| Vec::new())?;
        changes.extend(self.users.let_go(keep, user_columns)?);
        changes.extend(std::mem::take(&mut self.keys).into_values());
        Ok(changes)
    }
}

/// The row of a key: ids of keys are texts, ids of rows are not.
pub fn key_row(user: UserId, key: &KeyId) -> Uuid {
    Uuid::new_v5(&user.0, key.as_str().as_bytes())
}

fn key_changes(user: &UserView, event: &UserEvent) -> Result<Vec<(Uuid, Change)>, ServiceError> {
    let touched: Vec<&KeyId> = match event {
        UserEvent::ApiKeyIssued(grant) | UserEvent::ApiKeyChanged(grant) => vec![&grant.key_id],
        UserEvent::ApiKeyRevoked { key_id } => vec![key_id],
        UserEvent::Erased => user.entity.keys.keys().collect(),
        _ => Vec::new(),
    };
    let known = touched
        .into_iter()
        .filter_map(|id| user.entity.keys.get_key_value(id));
    known
        .map(|(id, key)| {
            let end = key.expires_at.map(Timestamp::as_microsecond);
            let values = vec![
                Value::Uuid(user.id.0),
                Value::Integer(key.issued_at.as_microsecond()),
                Value::Text(id.as_str().to_owned()),
                Value::Integer(i64::from(key.managed)),
                Value::Integer(end.unwrap_or(i64::MAX)),
            ];
            let document = StoredApiKey {
                user: user.id,
                id: id.clone(),
                key: key.clone(),
            };
            let row = key_row(user.id, id);
            Ok((row, upsert(&USER_API_KEYS, row, values, &document)?))
        })
        .collect()
}

fn user_columns(view: &UserView) -> Vec<Value> {
    let user = &view.entity;
    let text = |value: &Personal<String>| value.text().unwrap_or_default().to_lowercase();
    let email = user.email.as_ref().map(text).unwrap_or_default();
    let name = text(&user.display_name);
    let callsign = user.callsign.as_ref().map(text).unwrap_or_default();
    let flag = |set: bool| Value::Integer(i64::from(set));
    let holds = |role| flag(user.roles.contains(role));
    vec![
        Value::Integer(user.registered_at.as_microsecond()),
        Value::Text(name.clone()),
        Value::Text(user.status.as_str().to_owned()),
        holds(Role::Pilot),
        holds(Role::Reviewer),
        holds(Role::TenantAdmin),
        holds(Role::PlatformAdmin),
        flag(user.machine),
        flag(user.managed),
        Value::Text(format!("{name} {callsign} {email}")),
    ]
}
