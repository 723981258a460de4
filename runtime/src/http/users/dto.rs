//! Users and their keys as they are sent and answered.

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::application::views::{ApiKeyView, UserView};
use crate::domain::roles::{Role, Scope};
use crate::domain::user::UserStatus;

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub id: Uuid,
    #[schema(example = 1)]
    pub version: i32,
    /// Null for a machine or an erased person.
    #[schema(example = "ada@skyways.example")]
    pub email: Option<String>,
    /// Null once the person was erased.
    #[schema(example = "Ada Lovelace")]
    pub display_name: Option<String>,
    pub callsign: Option<String>,
    pub roles: Vec<Role>,
    pub status: UserStatus,
    /// Declared in the airline's manifest: roles and standing are read-only here.
    pub managed: bool,
    pub created_at: Timestamp,
}

impl From<UserView> for User {
    fn from(view: UserView) -> Self {
        let user = view.entity;
        Self {
            id: view.id.0,
            version: view.version,
            email: user.email.and_then(|email| email.into_known()),
            display_name: user.display_name.into_known(),
            callsign: user.callsign.and_then(|callsign| callsign.into_known()),
            roles: user.roles.iter().collect(),
            status: user.status,
            managed: user.managed,
            created_at: user.registered_at,
        }
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserPage {
    pub items: Vec<User>,
    /// Pass it as `cursor` for the next page; null on the last one.
    pub next: Option<String>,
}

/// A registration. An admin may leave out the password: the answer then holds a one-time log-in link.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterUser {
    #[schema(example = "ada@skyways.example", format = Email, max_length = 254)]
    pub email: String,
    #[schema(example = "Ada Lovelace", min_length = 1, max_length = 100)]
    pub display_name: String,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password, min_length = 12)]
    pub password: Option<SecretString>,
}

/// A user who was just registered.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredUser {
    #[serde(flatten)]
    pub user: User,
    /// Logs its reader in once; given this one time, and only when an admin set no password.
    pub login_link: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetRoles {
    /// The whole set of roles that the user is to hold.
    pub roles: Vec<Role>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SuspendUser {
    /// For the audit.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

/// An API key without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// The public half of the key.
    #[schema(example = "0123456789ab")]
    pub id: String,
    /// Null once its owner was erased.
    #[schema(example = "ACARS on my desktop")]
    pub name: Option<String>,
    pub scopes: Vec<Scope>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// Coarse.
    pub last_used_at: Option<Timestamp>,
    /// Declared in the airline's manifest: read-only here.
    pub managed: bool,
}

impl From<ApiKeyView> for ApiKey {
    fn from(view: ApiKeyView) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.key.name.into_known(),
            scopes: view.key.scopes.into_iter().collect(),
            created_at: view.key.issued_at,
            expires_at: view.key.expires_at,
            last_used_at: view.last_used_at,
            managed: view.key.managed,
        }
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyList {
    pub items: Vec<ApiKey>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssueApiKey {
    #[schema(example = "ACARS on my desktop", min_length = 1, max_length = 100)]
    pub name: String,
    #[schema(min_items = 1)]
    pub scopes: Vec<Scope>,
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

/// An API key with its secret, which is shown this one time.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuedApiKey {
    #[serde(flatten)]
    pub api_key: ApiKey,
    #[schema(example = "albk_0123456789ab_0123456789abcdefghijABCDEFGHIJ4SmgVV")]
    pub key: String,
}
