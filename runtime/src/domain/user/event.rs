//! What happens to a user's account.

use jiff::Timestamp;

use crate::domain::ids::KeyId;
use crate::domain::personal::Personal;
use crate::domain::roles::{Roles, Scopes};

#[derive(Clone, Debug, PartialEq)]
pub enum UserEvent {
    Registered(Registration),
    /// From now on (or no longer) only the operator changes roles and standing.
    ManagementChanged {
        managed: bool,
    },
    RolesChanged {
        roles: Roles,
    },
    Approved,
    Suspended {
        reason: Personal<String>,
    },
    Reinstated,
    PasswordChanged,
    ProfileChanged {
        display_name: Personal<String>,
        callsign: Option<Personal<String>>,
    },
    ApiKeyIssued(ApiKeyGrant),
    ApiKeyChanged(ApiKeyGrant),
    ApiKeyRevoked {
        key_id: KeyId,
    },
    LoginLinkIssued {
        link_id: KeyId,
        expires_at: Timestamp,
    },
    Erased,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// None for a machine.
    pub email: Option<Personal<String>>,
    pub display_name: Personal<String>,
    pub callsign: Option<Personal<String>>,
    pub roles: Roles,
    pub managed: bool,
    pub machine: bool,
    /// Awaits approval.
    pub pending: bool,
}

/// A key without its secret.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiKeyGrant {
    pub key_id: KeyId,
    pub name: Personal<String>,
    pub scopes: Scopes,
    pub expires_at: Option<Timestamp>,
    pub managed: bool,
}

impl UserEvent {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Registered(_) => "UserRegistered",
            Self::ManagementChanged { .. } => "ManagementChanged",
            Self::RolesChanged { .. } => "RolesChanged",
            Self::Approved => "UserApproved",
            Self::Suspended { .. } => "UserSuspended",
            Self::Reinstated => "UserReinstated",
            Self::PasswordChanged => "PasswordChanged",
            Self::ProfileChanged { .. } => "ProfileChanged",
            Self::ApiKeyIssued(_) => "ApiKeyIssued",
            Self::ApiKeyChanged(_) => "ApiKeyChanged",
            Self::ApiKeyRevoked { .. } => "ApiKeyRevoked",
            Self::LoginLinkIssued { .. } => "LoginLinkIssued",
            Self::Erased => "UserErased",
        }
    }
}
