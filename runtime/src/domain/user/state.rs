//! A user's account as its events add up.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::ids::KeyId;
use crate::domain::personal::Personal;
use crate::domain::roles::{Roles, Scopes};
use crate::domain::user::event::{ApiKeyGrant, Registration, UserEvent};

/// At most this many keys of one user that are neither revoked nor expired.
pub const MAX_LIVE_KEYS: usize = 25;
/// At most this many keys that are not declared, ever: an account remembers each, and one append has room to revoke them.
pub const MAX_OWN_KEYS: usize = 900;
/// How long a key that has expired in flight serves the flight that began with it.
pub const GRACE: SignedDuration = SignedDuration::from_hours(24);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// None for a machine.
    pub email: Option<Personal<String>>,
    pub display_name: Personal<String>,
    pub callsign: Option<Personal<String>>,
    pub roles: Roles,
    pub status: UserStatus,
    /// Roles and standing come from the operator and are read-only over REST.
    pub managed: bool,
    pub machine: bool,
    pub has_password: bool,
    pub keys: BTreeMap<KeyId, ApiKey>,
    pub registered_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum UserStatus {
    Active,
    /// Awaits approval.
    Pending,
    Suspended,
    /// The person's data is gone; the account never comes back.
    Erased,
}

impl UserStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Pending => "Pending",
            Self::Suspended => "Suspended",
            Self::Erased => "Erased",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    pub name: Personal<String>,
    pub scopes: Scopes,
    pub managed: bool,
    pub issued_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Neither revoked nor expired.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }

    /// Whether it may have opened anything within the last [`GRACE`].
    pub fn is_recent(&self, now: Timestamp) -> bool {
        let then = now.saturating_sub(GRACE).unwrap_or(now);
        let mut ends = [self.revoked_at, self.expires_at].into_iter().flatten();
        ends.all(|end| end > then)
    }
}

impl User {
    /// The account right after its registration.
    pub fn registered(registration: Registration, at: Timestamp) -> Self {
        Self {
            email: registration.email,
            display_name: registration.display_name,
            callsign: registration.callsign,
            roles: registration.roles,
            status: if registration.pending {
                UserStatus::Pending
            } else {
                UserStatus::Active
            },
            managed: registration.managed,
            machine: registration.machine,
            has_password: false,
            keys: BTreeMap::new(),
            registered_at: at,
        }
    }

    /// The account after one more event.
    #[must_use]
    pub fn after(mut self, event: &UserEvent, at: Timestamp) -> Self {
        match event {
            UserEvent::Registered(_) | UserEvent::LoginLinkIssued { .. } => {}
            UserEvent::ManagementChanged { managed } => self.managed = *managed,
            UserEvent::RolesChanged { roles } => self.roles = roles.clone(),
            UserEvent::Approved | UserEvent::Reinstated => self.status = UserStatus::Active,
            UserEvent::Suspended { .. } => self.status = UserStatus::Suspended,
            UserEvent::PasswordChanged => self.has_password = true,
            UserEvent::ProfileChanged {
                display_name,
                callsign,
            } => {
                self.display_name = display_name.clone();
                self.callsign = callsign.clone();
            }
            UserEvent::ApiKeyIssued(grant) | UserEvent::ApiKeyChanged(grant) => {
                self.grant(grant, at);
            }
            UserEvent::ApiKeyRevoked { key_id } => {
                if let Some(key) = self.keys.get_mut(key_id) {
                    key.revoked_at = Some(at);
                }
            }
            UserEvent::Erased => self.erase(at),
        }
        self
    }

    /// Keys that are neither revoked nor expired.
    pub fn live_keys(&self, now: Timestamp) -> usize {
        self.keys.values().filter(|key| key.is_live(now)).count()
    }

    /// Keys that are not declared, also those that have ended.
    pub fn own_keys(&self) -> usize {
        self.keys.values().filter(|key| !key.managed).count()
    }

    fn grant(&mut self, grant: &ApiKeyGrant, at: Timestamp) {
        let before = self.keys.get(&grant.key_id);
        let key = ApiKey {
            name: grant.name.clone(),
            scopes: grant.scopes.clone(),
            managed: grant.managed,
            issued_at: before.map_or(at, |key| key.issued_at),
            expires_at: grant.expires_at,
            revoked_at: before.and_then(|key| key.revoked_at),
        };
        self.keys.insert(grant.key_id.clone(), key);
    }

    fn erase(&mut self, at: Timestamp) {
        self.status = UserStatus::Erased;
        self.email = self.email.take().map(|_| Personal::Erased);
        self.display_name = Personal::Erased;
        self.callsign = self.callsign.take().map(|_| Personal::Erased);
        self.roles = Roles::default();
        self.managed = false;
        self.has_password = false;
        for key in self.keys.values_mut() {
            key.name = Personal::Erased;
            key.revoked_at.get_or_insert(at);
        }
    }
}
