//! Why an external system could not be used, said so that an operator knows which and why.

use std::fmt::Display;

use secrecy::SecretString;

/// An account on a server.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub username: String,
    pub password: SecretString,
}

/// What went wrong, with the server's name in the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProvisionError {
    /// No answer, or the operator's account was turned away: mends by itself once the server is back.
    #[error("{server} cannot be reached: {cause}")]
    Unreachable { server: String, cause: String },
    /// The server answered and said no.
    #[error("{server} refused to {action}: {cause}")]
    Refused {
        server: String,
        action: String,
        cause: String,
    },
    /// Whoever makes the accounts on this server has not given the tenant's yet.
    #[error(
        "the tenant's account on {server} is awaited in Secret `{secret}`: {problem}; its keys and channels begin with \
         `{prefix}`"
    )]
    NoAccount {
        server: String,
        secret: String,
        problem: String,
        prefix: String,
    },
    /// Something of that name exists and belongs to someone else; it is never touched.
    #[error("{object} exists on {server} and is not this tenant's; it is left alone")]
    Foreign { server: String, object: String },
}

impl ProvisionError {
    pub(crate) fn unreachable(server: &str, cause: impl Display) -> Self {
        Self::Unreachable {
            server: server.to_owned(),
            cause: cause.to_string(),
        }
    }

    pub(crate) fn refused(server: &str, action: &str, cause: impl Display) -> Self {
        Self::Refused {
            server: server.to_owned(),
            action: action.to_owned(),
            cause: cause.to_string(),
        }
    }

    pub(crate) fn foreign(server: &str, object: impl Display) -> Self {
        Self::Foreign {
            server: server.to_owned(),
            object: object.to_string(),
        }
    }
}
