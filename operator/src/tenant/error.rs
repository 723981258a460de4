//! What ends a reconciliation early. Everything that is foreseen is an outcome instead.

/// A failure after which the reconciliation is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the API server: {0}")]
    Kubernetes(#[from] kube::Error),
}

impl Error {
    /// Another writer was faster; trying again with what it wrote is all there is to do.
    pub fn is_conflict(&self) -> bool {
        let Self::Kubernetes(cause) = self;
        matches!(cause, kube::Error::Api(status) if status.is_conflict() || status.is_already_exists())
    }

    pub fn is_forbidden(&self) -> bool {
        let Self::Kubernetes(cause) = self;
        matches!(cause, kube::Error::Api(status) if status.is_forbidden())
    }
}
