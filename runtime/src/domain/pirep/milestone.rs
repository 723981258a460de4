//! What every flight passes, and the phases by which clients tell that it has.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// In the order in which a flight passes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Milestone {
    OffBlock,
    TakeOff,
    Landing,
    OnBlock,
}

/// When a flight passed them, as far as it has.
pub type Milestones = BTreeMap<Milestone, Timestamp>;

impl Milestone {
    pub const ALL: [Self; 4] = [Self::OffBlock, Self::TakeOff, Self::Landing, Self::OnBlock];

    /// The phases of flight that begin with it, as ACARS clients name them.
    pub fn phases(self) -> &'static [&'static str] {
        match self {
            Self::OffBlock => &["PBT", "OFB", "TXI"],
            Self::TakeOff => &["TOF", "ICL", "TKO"],
            Self::Landing => &["LDG", "LAN"],
            Self::OnBlock => &["ONB", "ARR"],
        }
    }
}
