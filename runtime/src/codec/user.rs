//! User events as stored.

use albatross_proto::v1::{self as wire, EventKind};
use prost::Message;

use crate::codec::error::{DecodeError, EncodeError};
use crate::codec::sealing::{Opening, Sealing};
use crate::codec::values;
use crate::domain::user::{ApiKeyGrant, Registration, UserEvent};

pub fn encode(
    event: &UserEvent,
    sealing: &Sealing<'_>,
) -> Result<(EventKind, Vec<u8>), EncodeError> {
    use EventKind as K;
    use UserEvent as E;
    Ok(match event {
        E::Registered(new) => (K::UserRegistered, registered(new, sealing)?.encode_to_vec()),
        E::ManagementChanged { managed } => (
            K::ManagementChanged,
            wire::ManagementChanged { managed: *managed }.encode_to_vec(),
        ),
        E::RolesChanged { roles } => (
            K::RolesChanged,
            wire::RolesChanged {
                roles: values::roles_to_wire(roles),
            }
            .encode_to_vec(),
        ),
        E::Approved => (K::UserApproved, wire::UserApproved {}.encode_to_vec()),
        E::Suspended { reason } => (
            K::UserSuspended,
            wire::UserSuspended {
                reason: sealing.seal("reason", reason)?,
            }
            .encode_to_vec(),
        ),
        E::Reinstated => (K::UserReinstated, wire::UserReinstated {}.encode_to_vec()),
        E::PasswordChanged => (K::PasswordChanged, wire::PasswordChanged {}.encode_to_vec()),
        E::ProfileChanged {
            display_name,
            callsign,
        } => (
            K::ProfileChanged,
            wire::ProfileChanged {
                display_name: sealing.seal("display_name", display_name)?,
                callsign: sealing.seal_optional("callsign", callsign.as_ref())?,
            }
            .encode_to_vec(),
        ),
        E::ApiKeyIssued(grant) => (
            K::ApiKeyIssued,
            wire::ApiKeyIssued {
                grant: Some(grant_to_wire(grant, sealing)?),
            }
            .encode_to_vec(),
        ),
        E::ApiKeyChanged(grant) => (
            K::ApiKeyChanged,
            wire::ApiKeyChanged {
                grant: Some(grant_to_wire(grant, sealing)?),
            }
            .encode_to_vec(),
        ),
        E::ApiKeyRevoked { key_id } => (
            K::ApiKeyRevoked,
            wire::ApiKeyRevoked {
                key_id: key_id.to_string(),
            }
            .encode_to_vec(),
        ),
        E::LoginLinkIssued {
            link_id,
            expires_at,
        } => (
            K::LoginLinkIssued,
            wire::LoginLinkIssued {
                link_id: link_id.to_string(),
                expires_at: expires_at.as_microsecond(),
            }
            .encode_to_vec(),
        ),
        E::Erased => (K::UserErased, wire::UserErased {}.encode_to_vec()),
    })
}

pub fn decode(
    kind: EventKind,
    payload: &[u8],
    opening: &Opening<'_>,
) -> Result<UserEvent, DecodeError> {
    use EventKind as K;
    use UserEvent as E;
    Ok(match kind {
        K::UserRegistered => E::Registered(registration(
            wire::UserRegistered::decode(payload)?,
            opening,
        )?),
        K::ManagementChanged => E::ManagementChanged {
            managed: wire::ManagementChanged::decode(payload)?.managed,
        },
        K::RolesChanged => E::RolesChanged {
            roles: values::roles(&wire::RolesChanged::decode(payload)?.roles)?,
        },
        K::UserApproved => wire::UserApproved::decode(payload).map(|_| E::Approved)?,
        K::UserSuspended => E::Suspended {
            reason: opening.open("reason", wire::UserSuspended::decode(payload)?.reason)?,
        },
        K::UserReinstated => wire::UserReinstated::decode(payload).map(|_| E::Reinstated)?,
        K::PasswordChanged => wire::PasswordChanged::decode(payload).map(|_| E::PasswordChanged)?,
        K::ProfileChanged => {
            let message = wire::ProfileChanged::decode(payload)?;
            E::ProfileChanged {
                display_name: opening.open("display_name", message.display_name)?,
                callsign: opening.open_optional("callsign", message.callsign)?,
            }
        }
        K::ApiKeyIssued => {
            E::ApiKeyIssued(grant(wire::ApiKeyIssued::decode(payload)?.grant, opening)?)
        }
        K::ApiKeyChanged => {
            E::ApiKeyChanged(grant(wire::ApiKeyChanged::decode(payload)?.grant, opening)?)
        }
        K::ApiKeyRevoked => E::ApiKeyRevoked {
            key_id: values::key_id("key_id", &wire::ApiKeyRevoked::decode(payload)?.key_id)?,
        },
        K::LoginLinkIssued => {
            let message = wire::LoginLinkIssued::decode(payload)?;
            E::LoginLinkIssued {
                link_id: values::key_id("link_id", &message.link_id)?,
                expires_at: values::time("expires_at", message.expires_at)?,
            }
        }
        K::UserErased => wire::UserErased::decode(payload).map(|_| E::Erased)?,
        other => return Err(DecodeError::UnknownKind(other as i16)),
    })
}

fn registered(
    new: &Registration,
    sealing: &Sealing<'_>,
) -> Result<wire::UserRegistered, EncodeError> {
    Ok(wire::UserRegistered {
        email: sealing.seal_optional("email", new.email.as_ref())?,
        display_name: sealing.seal("display_name", &new.display_name)?,
        callsign: sealing.seal_optional("callsign", new.callsign.as_ref())?,
        roles: values::roles_to_wire(&new.roles),
        managed: new.managed,
        machine: new.machine,
        pending: new.pending,
    })
}

fn registration(
    message: wire::UserRegistered,
    opening: &Opening<'_>,
) -> Result<Registration, DecodeError> {
    Ok(Registration {
        email: opening.open_optional("email", message.email)?,
        display_name: opening.open("display_name", message.display_name)?,
        callsign: opening.open_optional("callsign", message.callsign)?,
        roles: values::roles(&message.roles)?,
        managed: message.managed,
        machine: message.machine,
        pending: message.pending,
    })
}

fn grant_to_wire(
    grant: &ApiKeyGrant,
    sealing: &Sealing<'_>,
) -> Result<wire::ApiKeyGrant, EncodeError> {
    Ok(wire::ApiKeyGrant {
        key_id: grant.key_id.to_string(),
        name: sealing.seal("name", &grant.name)?,
        scopes: values::scopes_to_wire(&grant.scopes),
        expires_at: values::microseconds(grant.expires_at),
        managed: grant.managed,
    })
}

fn grant(
    message: Option<wire::ApiKeyGrant>,
    opening: &Opening<'_>,
) -> Result<ApiKeyGrant, DecodeError> {
    let message = message.ok_or(DecodeError::Missing("grant"))?;
    Ok(ApiKeyGrant {
        key_id: values::key_id("key_id", &message.key_id)?,
        name: opening.open("name", message.name)?,
        scopes: values::scopes(&message.scopes)?,
        expires_at: values::optional_time("expires_at", message.expires_at)?,
        managed: message.managed,
    })
}
