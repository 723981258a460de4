//! What an API key may do.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A permission of an API key; a key can never do more than the user it acts for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Scope {
    #[serde(rename = "pireps:read")]
    PirepsRead,
    #[serde(rename = "pireps:write")]
    PirepsWrite,
    #[serde(rename = "track:write")]
    TrackWrite,
    #[serde(rename = "bids:write")]
    BidsWrite,
    #[serde(rename = "review")]
    Review,
    #[serde(rename = "catalogue:read")]
    CatalogueRead,
    #[serde(rename = "catalogue:write")]
    CatalogueWrite,
    #[serde(rename = "users")]
    Users,
    #[serde(rename = "settings")]
    Settings,
    #[serde(rename = "audit")]
    Audit,
    #[serde(rename = "webhooks")]
    Webhooks,
    #[serde(rename = "live:read")]
    LiveRead,
}

impl Scope {
    /// Every scope there is.
    pub const ALL: [Self; 12] = [
        Self::PirepsRead,
        Self::PirepsWrite,
        Self::TrackWrite,
        Self::BidsWrite,
        Self::Review,
        Self::CatalogueRead,
        Self::CatalogueWrite,
        Self::Users,
        Self::Settings,
        Self::Audit,
        Self::Webhooks,
        Self::LiveRead,
    ];

    /// The name used in manifests and over REST, e.g. `pireps:read`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PirepsRead => "pireps:read",
            Self::PirepsWrite => "pireps:write",
            Self::TrackWrite => "track:write",
            Self::BidsWrite => "bids:write",
            Self::Review => "review",
            Self::CatalogueRead => "catalogue:read",
            Self::CatalogueWrite => "catalogue:write",
            Self::Users => "users",
            Self::Settings => "settings",
            Self::Audit => "audit",
            Self::Webhooks => "webhooks",
            Self::LiveRead => "live:read",
        }
    }

    /// Whether only staff of the airline can use it.
    pub const fn is_staff(self) -> bool {
        matches!(
            self,
            Self::Review
                | Self::CatalogueWrite
                | Self::Users
                | Self::Settings
                | Self::Audit
                | Self::Webhooks
        )
    }

    /// The scopes that are not for staff: what a tenant allows unless it says otherwise.
    pub fn unprivileged() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|scope| !scope.is_staff())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A scope of that name does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no scope {0:?}")]
pub struct UnknownScope(pub String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == name)
            .ok_or_else(|| UnknownScope(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;

    #[test]
    fn the_name_in_manifests_is_the_name_in_code() {
        for scope in Scope::ALL {
            let json = serde_json::to_value(scope).unwrap();
            assert_eq!(json, scope.as_str());
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        assert!("pireps".parse::<Scope>().is_err());
    }

    #[test]
    fn an_acars_client_needs_no_staff_scope() {
        for scope in [Scope::PirepsRead, Scope::PirepsWrite, Scope::TrackWrite] {
            assert!(Scope::unprivileged().any(|s| s == scope));
        }
        assert!(!Scope::unprivileged().any(|s| s == Scope::Review));
    }
}
