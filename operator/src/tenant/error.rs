//! What ends a reconciliation early. Everything that is foreseen is an outcome instead.

use crate::context::failure;

/// A failure after which the reconciliation is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the API server: {}", failure::in_words(.0))]
    Kubernetes(#[from] kube::Error),
}

impl Error {
    pub fn is_lost_race(&self) -> bool {
        let Self::Kubernetes(cause) = self;
        failure::is_lost_race(cause)
    }

    pub fn is_forbidden(&self) -> bool {
        let Self::Kubernetes(cause) = self;
        failure::is_forbidden(cause)
    }
}
