//! What people may do (roles) and what a key may do on their behalf (scopes).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A set of rights within one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// The hosting team. Never granted over REST.
    PlatformAdmin,
    /// Everything inside one tenant.
    TenantAdmin,
    /// Queue, comments, decisions.
    Reviewer,
    /// Own profile, PIREPs and keys.
    Pilot,
}

impl Role {
    pub const ALL: [Self; 4] = [
        Self::PlatformAdmin,
        Self::TenantAdmin,
        Self::Reviewer,
        Self::Pilot,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::PlatformAdmin => "PlatformAdmin",
            Self::TenantAdmin => "TenantAdmin",
            Self::Reviewer => "Reviewer",
            Self::Pilot => "Pilot",
        }
    }

    /// Whether holding this role includes what `other` may do.
    pub fn covers(self, other: Self) -> bool {
        match self {
            Self::PlatformAdmin => true,
            Self::TenantAdmin => other != Self::PlatformAdmin,
            Self::Reviewer | Self::Pilot => other == self,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The roles that one user holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roles(BTreeSet<Role>);

impl Roles {
    pub fn iter(&self) -> impl Iterator<Item = Role> + '_ {
        self.0.iter().copied()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Exactly this role is held.
    pub fn contains(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// This role or one that includes it is held.
    pub fn cover(&self, role: Role) -> bool {
        self.iter().any(|held| held.covers(role))
    }

    /// May see and decide everybody's PIREPs.
    pub fn review(&self) -> bool {
        self.cover(Role::Reviewer)
    }

    /// May manage users and settings.
    pub fn administer(&self) -> bool {
        self.cover(Role::TenantAdmin)
    }

    #[must_use]
    pub fn with(mut self, role: Role) -> Self {
        self.0.insert(role);
        self
    }

    #[must_use]
    pub fn without(mut self, role: Role) -> Self {
        self.0.remove(&role);
        self
    }

    /// The least roles that a machine needs for these scopes.
    pub fn needed_for(scopes: &Scopes) -> Self {
        scopes.iter().copied().map(Scope::role).collect()
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().collect())
    }
}

impl From<Role> for Roles {
    fn from(role: Role) -> Self {
        Self(BTreeSet::from([role]))
    }
}

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $text:literal needs $role:ident;)*) => {
        /// What a key may do, at most.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Scope {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Scope {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The role that a key's owner needs for this scope to mean anything.
            pub fn role(self) -> Role {
                match self { $(Self::$name => Role::$role,)* }
            }
        }
    };
}

scopes! {
    PirepsRead = "pireps:read" needs Pilot;
    PirepsWrite = "pireps:write" needs Pilot;
    TrackWrite = "track:write" needs Pilot;
    BidsWrite = "bids:write" needs Pilot;
    Review = "review" needs Reviewer;
    CatalogueRead = "catalogue:read" needs Pilot;
    CatalogueWrite = "catalogue:write" needs TenantAdmin;
    Users = "users" needs TenantAdmin;
    Settings = "settings" needs TenantAdmin;
    Audit = "audit" needs TenantAdmin;
    Webhooks = "webhooks" needs TenantAdmin;
    LiveRead = "live:read" needs Pilot;
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scope")]
pub struct UnknownScope(pub String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let known = Self::ALL.iter().find(|scope| scope.as_str() == text);
        known.copied().ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// The scopes of one key.
pub type Scopes = BTreeSet<Scope>;
