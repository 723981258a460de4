//! Who does something: the same type for decisions and, as text, for the audit.

use std::fmt;

use uuid::Uuid;

use crate::domain::ids::{KeyId, UserId};
use crate::domain::roles::{Roles, Scope, Scopes};

/// Who gives a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Nobody has logged in: self-registration.
    Anonymous,
    User(Person),
    /// The operator's desired state (or the manifests of a single executable).
    Operator,
    /// Somebody with access to the machine itself.
    CommandLine,
    /// A policy of the runtime's own, by name: `review-rules`.
    System(&'static str),
}

/// A logged-in user, or a key on a user's behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: UserId,
    pub roles: Roles,
    /// The key that was used instead of a session; narrows what the roles permit.
    pub key: Option<KeyUse>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    pub id: KeyId,
    pub scopes: Scopes,
}

impl Actor {
    /// A user without a key: a session.
    pub fn user(id: UserId, roles: Roles) -> Self {
        Self::User(Person {
            id,
            roles,
            key: None,
        })
    }

    pub fn user_id(&self) -> Option<UserId> {
        match self {
            Self::User(person) => Some(person.id),
            _ => None,
        }
    }

    /// May decide PIREPs.
    pub fn reviews(&self) -> bool {
        match self {
            Self::User(person) => person.roles.review() && person.allows(Scope::Review),
            Self::CommandLine | Self::System(_) => true,
            Self::Anonymous | Self::Operator => false,
        }
    }

    /// May manage users.
    pub fn administers(&self) -> bool {
        match self {
            Self::User(person) => person.roles.administer() && person.allows(Scope::Users),
            Self::CommandLine | Self::Operator => true,
            Self::Anonymous | Self::System(_) => false,
        }
    }

    /// May change settings and review rules.
    pub fn configures(&self) -> bool {
        match self {
            Self::User(person) => person.roles.administer() && person.allows(Scope::Settings),
            Self::CommandLine => true,
            Self::Anonymous | Self::Operator | Self::System(_) => false,
        }
    }

    /// May change the catalogue: aircraft, the schedule, ranks, fields of PIREPs.
    pub fn keeps_catalogue(&self) -> bool {
        match self {
            Self::User(person) => person.roles.administer() && person.allows(Scope::CatalogueWrite),
            Self::CommandLine => true,
            Self::Anonymous | Self::Operator | Self::System(_) => false,
        }
    }

    /// Comes from the hosting team itself, not over REST.
    pub fn hosts(&self) -> bool {
        matches!(self, Self::CommandLine | Self::Operator)
    }
}

impl Person {
    /// No key is used, or one that holds the scope.
    pub fn allows(&self, scope: Scope) -> bool {
        self.key
            .as_ref()
            .is_none_or(|key| key.scopes.contains(&scope))
    }
}

/// The form in which an event's envelope keeps it.
impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::User(Person { id, key: None, .. }) => write!(f, "user:{id}"),
            Self::User(Person {
                id, key: Some(key), ..
            }) => write!(f, "user:{id}/key:{}", key.id),
            Self::Operator => f.write_str("operator"),
            Self::CommandLine => f.write_str("command-line"),
            Self::System(policy) => write!(f, "system:{policy}"),
        }
    }
}

/// An actor as read back from an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordedActor {
    Anonymous,
    User {
        id: UserId,
        key: Option<KeyId>,
    },
    Operator,
    CommandLine,
    System(String),
    /// Written by a release that knows more kinds of actors than this one.
    Other(String),
}

impl RecordedActor {
    pub fn parse(text: &str) -> Self {
        match text {
            "anonymous" => Self::Anonymous,
            "operator" => Self::Operator,
            "command-line" => Self::CommandLine,
            _ => Self::parse_prefixed(text).unwrap_or_else(|| Self::Other(text.to_owned())),
        }
    }

    fn parse_prefixed(text: &str) -> Option<Self> {
        if let Some(policy) = text.strip_prefix("system:") {
            return Some(Self::System(policy.to_owned()));
        }
        let user = text.strip_prefix("user:")?;
        let (id, key) = match user.split_once("/key:") {
            Some((id, key)) => (id, Some(KeyId::parse(key)?)),
            None => (user, None),
        };
        let id = UserId(Uuid::try_parse(id).ok()?);
        Some(Self::User { id, key })
    }

    /// `user`, `operator`, `system` …: for the audit.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::User { .. } => "user",
            Self::Operator => "operator",
            Self::CommandLine => "command-line",
            Self::System(_) => "system",
            Self::Other(_) => "other",
        }
    }

    pub fn user_id(&self) -> Option<UserId> {
        match self {
            Self::User { id, .. } => Some(*id),
            _ => None,
        }
    }
}
