//! Who makes the users of a tenant's Redis.

use albatross_tests::platform::Outside;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cache {
    /// The operator.
    Managed,
    /// Somebody else, for each tenant.
    External,
    /// Nobody: all tenants have the operator's account.
    Shared,
}

impl Cache {
    pub const ALL: [Self; 3] = [Self::Managed, Self::External, Self::Shared];

    /// Its name in the operator's configuration.
    pub fn server(self) -> &'static str {
        match self {
            Self::Managed => "main",
            Self::External => "external",
            Self::Shared => "shared",
        }
    }

    /// What the configuration calls it.
    pub fn acl(self) -> &'static str {
        match self {
            Self::Managed => "managed",
            Self::External => "external",
            Self::Shared => "none",
        }
    }

    /// All that the operator makes for a tenant outside the cluster.
    pub fn outside(self) -> Outside {
        Outside {
            cache_user: self == Self::Managed,
            ..Outside::ALL
        }
    }

    /// What a tenant may go through between creation and end, in this order: where nothing goes wrong, these have every call
    /// that others with another cache do not have.
    pub fn stages(self) -> &'static [&'static str] {
        match self {
            Self::Managed => &[
                "lose",
                "rotate",
                "change",
                "meddle",
                "hand-over",
                "route",
                "sleep",
                "wake",
                "retain",
                "adopt",
            ],
            Self::External => &["renew", "retain", "adopt"],
            Self::Shared => &["retain", "adopt"],
        }
    }
}
