//! Ids, times, roles and scopes as the schema stores them.

use albatross_proto::v1 as wire;
use jiff::Timestamp;
use uuid::Uuid;

use crate::codec::error::DecodeError;
use crate::domain::ids::{KeyId, UserId};
use crate::domain::roles::{Role, Roles, Scope, Scopes};

pub fn id<Id: From<Uuid>>(field: &'static str, bytes: &[u8]) -> Result<Id, DecodeError> {
    let id = Uuid::from_slice(bytes).map_err(|_| DecodeError::Invalid(field))?;
    Ok(Id::from(id))
}

pub fn optional_id<Id: From<Uuid>>(
    field: &'static str,
    bytes: Option<&[u8]>,
) -> Result<Option<Id>, DecodeError> {
    bytes.map(|bytes| id(field, bytes)).transpose()
}

pub fn user_id(field: &'static str, bytes: &[u8]) -> Result<UserId, DecodeError> {
    id(field, bytes)
}

pub fn key_id(field: &'static str, text: &str) -> Result<KeyId, DecodeError> {
    KeyId::parse(text).ok_or(DecodeError::Invalid(field))
}

/// By its seconds: `from_microsecond` does not take the last second that there is.
pub fn time(field: &'static str, microseconds: i64) -> Result<Timestamp, DecodeError> {
    let nanoseconds = microseconds.rem_euclid(1_000_000) as i32 * 1_000;
    let time = Timestamp::new(microseconds.div_euclid(1_000_000), nanoseconds);
    time.map_err(|_| DecodeError::Invalid(field))
}

pub fn optional_time(
    field: &'static str,
    microseconds: Option<i64>,
) -> Result<Option<Timestamp>, DecodeError> {
    microseconds.map(|value| time(field, value)).transpose()
}

pub fn microseconds(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_microsecond)
}

pub fn roles_to_wire(roles: &Roles) -> Vec<i32> {
    roles.iter().map(|role| role_to_wire(role).into()).collect()
}

pub fn roles(values: &[i32]) -> Result<Roles, DecodeError> {
    values.iter().map(|value| role(*value)).collect()
}

pub fn scopes_to_wire(scopes: &Scopes) -> Vec<i32> {
    let values = scopes.iter().map(|scope| scope_to_wire(*scope).into());
    values.collect()
}

pub fn scopes(values: &[i32]) -> Result<Scopes, DecodeError> {
    values.iter().map(|value| scope(*value)).collect()
}

fn role_to_wire(role: Role) -> wire::Role {
    match role {
        Role::PlatformAdmin => wire::Role::PlatformAdmin,
        Role::TenantAdmin => wire::Role::TenantAdmin,
        Role::Reviewer => wire::Role::Reviewer,
        Role::Pilot => wire::Role::Pilot,
    }
}

fn role(value: i32) -> Result<Role, DecodeError> {
    match wire::Role::try_from(value) {
        Ok(wire::Role::PlatformAdmin) => Ok(Role::PlatformAdmin),
        Ok(wire::Role::TenantAdmin) => Ok(Role::TenantAdmin),
        Ok(wire::Role::Reviewer) => Ok(Role::Reviewer),
        Ok(wire::Role::Pilot) => Ok(Role::Pilot),
        Ok(wire::Role::Unspecified) | Err(_) => Err(DecodeError::Invalid("roles")),
    }
}

fn scope_to_wire(scope: Scope) -> wire::Scope {
    match scope {
        Scope::PirepsRead => wire::Scope::PirepsRead,
        Scope::PirepsWrite => wire::Scope::PirepsWrite,
        Scope::TrackWrite => wire::Scope::TrackWrite,
        Scope::BidsWrite => wire::Scope::BidsWrite,
        Scope::Review => wire::Scope::Review,
        Scope::CatalogueRead => wire::Scope::CatalogueRead,
        Scope::CatalogueWrite => wire::Scope::CatalogueWrite,
        Scope::Users => wire::Scope::Users,
        Scope::Settings => wire::Scope::Settings,
        Scope::Audit => wire::Scope::Audit,
        Scope::Webhooks => wire::Scope::Webhooks,
        Scope::LiveRead => wire::Scope::LiveRead,
    }
}

fn scope(value: i32) -> Result<Scope, DecodeError> {
    let scope = wire::Scope::try_from(value).map_err(|_| DecodeError::Invalid("scopes"))?;
    let same = |known: &&Scope| scope_to_wire(**known) == scope;
    let known = Scope::ALL.iter().find(same).copied();
    known.ok_or(DecodeError::Invalid("scopes"))
}
