//! What happens to a PIREP.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::catalogue::CustomFields;
use crate::domain::ids::{BidId, ScheduledFlightId, UserId};
use crate::domain::personal::Personal;
use crate::domain::pirep::flight::{Plan, Report, Source};
use crate::domain::pirep::milestone::Milestone;
use crate::domain::review::Review;

#[derive(Clone, Debug, PartialEq)]
pub enum PirepEvent {
    Drafted(Filing),
    Prefiled(Filing),
    Edited(Edit),
    /// The client's program sent more of what it measured.
    Merged {
        report: Report,
        last_sequence: Option<i32>,
    },
    Paused,
    Resumed,
    /// Its positions show that it got there.
    Reached {
        milestone: Milestone,
        at: Timestamp,
    },
    Submitted {
        report: Report,
        /// The last sequence number of the track, if the client named it.
        last_sequence: Option<i32>,
        /// The pilot was suspended: no rule may accept it.
        held: bool,
    },
    /// The airline's rules looked at it. A decision that follows is theirs.
    Reviewed(Box<Review>),
    Withdrawn,
    Asked {
        question: Personal<String>,
    },
    Answered {
        answer: Personal<String>,
    },
    Accepted {
        /// None when a review rule decided.
        by: Option<UserId>,
        credit: Credit,
        comment: Option<Personal<String>>,
    },
    Rejected {
        /// None when a review rule decided.
        by: Option<UserId>,
        reason: Personal<String>,
        credit: Credit,
    },
    Reopened {
        reason: Personal<String>,
    },
    Appealed {
        comment: Personal<String>,
    },
    Cancelled {
        reason: Option<Personal<String>>,
    },
    Restored,
    Discarded,
    Commented {
        comment: Personal<String>,
    },
    /// The first positions of a draft are about to be stored.
    TrackStarted,
}

/// How a PIREP begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Filing {
    pub pilot: UserId,
    pub source: Source,
    pub plan: Plan,
    pub report: Report,
    pub remarks: Option<Personal<String>>,
    pub custom_fields: Option<Personal<CustomFields>>,
    /// The pilot's booking that it flies.
    pub bid: Option<BidId>,
    /// The flight of the schedule that it flies.
    pub scheduled_flight: Option<ScheduledFlightId>,
}

/// What an edit replaces; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edit {
    pub plan: Option<Plan>,
    pub report: Option<Report>,
    /// Empty text removes them.
    pub remarks: Option<Personal<String>>,
    /// All of them; none removes them.
    pub custom_fields: Option<Personal<CustomFields>>,
    /// Why; asked of staff.
    pub reason: Option<Personal<String>>,
}

/// What of a flight counts towards the pilot's career.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Credit {
    Full,
    /// Noted as hours only: they count towards no rank.
    Hours,
    None,
}

impl Credit {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Hours => "hours",
            Self::None => "none",
        }
    }
}

impl PirepEvent {
    /// Whether the bid that the PIREP flies ends by it.
    pub fn ends_bid(&self) -> bool {
        matches!(self, Self::Submitted { .. } | Self::Cancelled { .. })
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Drafted(_) => "PirepDrafted",
            Self::Prefiled(_) => "PirepPrefiled",
            Self::Edited(_) => "PirepEdited",
            Self::Merged { .. } => "PirepMerged",
            Self::Paused => "FlightPaused",
            Self::Resumed => "FlightResumed",
            Self::Reached { .. } => "MilestoneReached",
            Self::Submitted { .. } => "PirepSubmitted",
            Self::Reviewed(_) => "PirepReviewed",
            Self::Withdrawn => "PirepWithdrawn",
            Self::Asked { .. } => "PirepAsked",
            Self::Answered { .. } => "PirepAnswered",
            Self::Accepted { .. } => "PirepAccepted",
            Self::Rejected { .. } => "PirepRejected",
            Self::Reopened { .. } => "PirepReopened",
            Self::Appealed { .. } => "PirepAppealed",
            Self::Cancelled { .. } => "PirepCancelled",
            Self::Restored => "PirepRestored",
            Self::Discarded => "PirepDiscarded",
            Self::Commented { .. } => "PirepCommented",
            Self::TrackStarted => "TrackStarted",
        }
    }
}
