//! The lane of the airline and its people: tenants, users with their roles, their keys.

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
use crate::ports::read_model::{Change, LaneGuard, Value};

/// The changes that a batch of the log makes to this lane's tables.
pub async fn project(
    lane: &mut dyn LaneGuard,
    events: &[DecodedEvent],
) -> Result<Vec<Change>, ServiceError> {
    let of_tenants = events
        .iter()
        .filter(|it| matches!(it.event, DomainEvent::Tenant(_)));
    let mut tenants = Entities::<TenantId, Tenant>::before(of_tenants, &TENANTS, lane).await?;
    let of_users = events
        .iter()
        .filter(|it| matches!(it.event, DomainEvent::User(_)));
    let mut users = Entities::<UserId, User>::before(of_users, &USERS, lane).await?;
    let mut keys = Vec::new();
    for envelope in events {
        match &envelope.event {
            DomainEvent::Tenant(event) => {
                tenants.evolve(envelope, event);
            }
            DomainEvent::User(event) => {
                if let Some(user) = users.evolve(envelope, event) {
                    keys.extend(key_changes(user, event)?);
                }
            }
            DomainEvent::Pirep(_) => {}
        }
    }
    let mut changes = tenants.into_changes(|_: &TenantView| Vec::new())?;
    changes.extend(users.into_changes(user_columns)?);
    changes.extend(keys);
    Ok(changes)
}

/// The row of a key: ids of keys are texts, ids of rows are not.
pub fn key_row(user: UserId, key: &KeyId) -> Uuid {
    Uuid::new_v5(&user.0, key.as_str().as_bytes())
}

fn key_changes(user: &UserView, event: &UserEvent) -> Result<Vec<Change>, ServiceError> {
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
            let values = vec![
                Value::Uuid(user.id.0),
                Value::Integer(key.issued_at.as_microsecond()),
                Value::Text(id.as_str().to_owned()),
                Value::Integer(i64::from(key.managed)),
            ];
            let document = StoredApiKey {
                user: user.id,
                id: id.clone(),
                key: key.clone(),
            };
            upsert(&USER_API_KEYS, key_row(user.id, id), values, &document)
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
