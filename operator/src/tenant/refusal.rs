//! Why a tenant is not worked on until somebody has changed something.

use albatross_crds::conditions::Reason;

/// Why waiting will not help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    pub message: String,
}

pub fn refuse(reason: Reason, message: String) -> Refusal {
    Refusal { reason, message }
}
