//! What the operator wants of a runtime, and what the runtime answers: the JSON of the internal API.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::roles::{Role, Scopes};
use crate::domain::tenant::Limits;

/// Everything that is declared about one airline. Level-triggered: what is missing is taken away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredState {
    /// Rises with every change; a lower one than before is refused.
    pub number: u64,
    pub tenant: DesiredTenant,
    #[serde(default)]
    pub admins: Vec<DesiredAdmin>,
    #[serde(default)]
    pub api_keys: Vec<DesiredKey>,
    /// Ids of keys that stay as they are, since nobody can tell at the moment what is declared of them.
    #[serde(default)]
    pub kept_api_keys: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredTenant {
    pub display_name: String,
    pub icao_code: String,
    pub public_url: String,
    #[serde(default)]
    pub limits: Limits,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredAdmin {
    pub email: String,
    pub display_name: String,
    pub role: AdminRole,
    #[serde(default)]
    pub login_link: Option<DesiredLink>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdminRole {
    TenantAdmin,
    PlatformAdmin,
}

impl From<AdminRole> for Role {
    fn from(role: AdminRole) -> Self {
        match role {
            AdminRole::TenantAdmin => Self::TenantAdmin,
            AdminRole::PlatformAdmin => Self::PlatformAdmin,
        }
    }
}

/// A one-time log-in link, by its digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredLink {
    pub id: String,
    /// Standard base64.
    pub digest: String,
    pub expires_at: Timestamp,
}

/// An API key, by its digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredKey {
    pub key_id: String,
    /// Standard base64.
    pub digest: String,
    /// E-mail address of the user that it acts for; none for a machine of its own.
    #[serde(default)]
    pub user: Option<String>,
    /// The machine's name, and the key's. People see a long one shortened.
    pub machine_user: String,
    pub scopes: Scopes,
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    #[serde(default)]
    pub revoked: bool,
}

/// What of the desired state holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredReport {
    pub number: u64,
    pub tenant_id: Uuid,
    pub schema_version: i64,
    pub version: String,
    pub admins: Vec<ReportedAdmin>,
    /// Without the keys of users who are not registered yet.
    pub api_keys: Vec<ReportedKey>,
    /// Keys that were declared and are not registered, or not as declared; empty unless the state was just applied.
    #[serde(default)]
    pub refused_keys: Vec<RefusedKey>,
    /// Changes whenever somebody is erased; empty while nobody is.
    #[serde(default)]
    pub erased_digest: String,
}

/// A declared key that the rules do not permit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedKey {
    pub key_id: String,
    /// One sentence: for people.
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedAdmin {
    pub email: String,
    pub user_id: Uuid,
    pub has_logged_in: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedKey {
    pub key_id: String,
    pub state: KeyState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyState {
    Active,
    Expired,
    Revoked,
}
