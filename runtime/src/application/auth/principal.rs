//! A user's present roles and standing, kept beside the log and current as of the append that changed them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::application::error::ServiceError;
use crate::domain::ids::UserId;
use crate::domain::roles::Roles;
use crate::domain::user::{User, UserStatus};
use crate::ports::credentials::{Credential, CredentialKind, Credentials};

/// What a credential's owner may do right now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    pub roles: Roles,
    pub status: UserStatus,
}

impl Principal {
    pub fn of(user: &User) -> Self {
        Self {
            roles: user.roles.clone(),
            status: user.status,
        }
    }

    /// What this user's credentials stand for; none for a user who never was.
    pub async fn load(
        credentials: &dyn Credentials,
        user: UserId,
    ) -> Result<Option<Self>, ServiceError> {
        let row = credentials
            .credential(CredentialKind::Principal, &user.to_string())
            .await?;
        row.as_ref().map(Self::read).transpose()
    }

    /// What a row says.
    pub fn read(row: &Credential) -> Result<Self, ServiceError> {
        serde_json::from_value(row.data.clone())
            .map_err(|error| ServiceError::Corrupt(format!("principal {}: {error}", row.id)))
    }

    /// Whether this user has ever logged in.
    pub async fn has_logged_in(
        credentials: &dyn Credentials,
        user: UserId,
    ) -> Result<bool, ServiceError> {
        let row = credentials
            .credential(CredentialKind::Principal, &user.to_string())
            .await?;
        Ok(row.is_some_and(|row| row.last_used_at.is_some()))
    }

    /// The row that makes it current; `before` is what is stored now.
    pub fn row(&self, user: UserId, before: Option<&Credential>, now: Timestamp) -> Credential {
        Credential {
            kind: CredentialKind::Principal,
            id: user.to_string(),
            subject: user.0,
            verifier: Vec::new(),
            data: json!({ "roles": self.roles, "status": self.status }),
            created_at: before.map_or(now, |row| row.created_at),
            expires_at: None,
            last_used_at: before.and_then(|row| row.last_used_at),
        }
    }
}
