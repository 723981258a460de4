//! What a rule says of a flight, and why.

use serde::{Deserialize, Serialize};

/// What a rule says of a flight. The worst answer wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    Accept,
    /// Staff decide.
    Hold,
    Reject,
}

impl Answer {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Hold => "hold",
            Self::Reject => "reject",
        }
    }
}

/// What was measured, and what the limit is: texts with their unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable name of the rule: `minBlockTime`.
    pub rule: String,
    pub answer: Answer,
    /// None when it is not known.
    pub measured: Option<String>,
    pub limit: String,
}
