//! What can be asked of a PIREP.

use crate::domain::catalogue::CustomFields;
use crate::domain::ids::{BidId, ScheduledFlightId, UserId};
use crate::domain::pirep::event::Credit;
use crate::domain::pirep::flight::{Plan, Report, Source};
use crate::domain::pirep::milestone::Milestones;
use crate::domain::review::Review;

#[derive(Clone, Debug, PartialEq)]
pub enum PirepCommand {
    File(NewPirep),
    /// Replaces plan, report or remarks.
    Edit(Changes),
    /// The same report sent again, by its owner's program: what is new is added.
    Merge {
        plan: Option<Plan>,
        report: Option<Report>,
        remarks: Option<String>,
        custom_fields: Option<CustomFields>,
        last_sequence: Option<i32>,
    },
    Pause,
    Resume,
    /// Notes what the positions show.
    Reach(Milestones),
    Submit {
        report: Option<Report>,
        remarks: Option<String>,
        custom_fields: Option<CustomFields>,
        last_sequence: Option<i32>,
        milestones: Milestones,
    },
    /// Submits a flight whose client fell silent, by what its track tells.
    Finish {
        report: Report,
        last_sequence: Option<i32>,
        milestones: Milestones,
    },
    /// Notes what the airline's rules made of it, and decides if they do.
    Review(Box<Review>),
    /// Back to a draft.
    Withdraw,
    Ask {
        question: String,
    },
    Answer {
        answer: String,
    },
    Accept {
        credit: Credit,
        comment: Option<String>,
    },
    Reject {
        reason: String,
        credit: Credit,
    },
    Reopen {
        reason: String,
    },
    Appeal {
        comment: String,
    },
    Cancel {
        reason: Option<String>,
    },
    Restore,
    Discard,
    /// The owner's positions are about to be stored, and keep a draft from being discarded.
    StartTrack,
    Comment {
        comment: String,
    },
}

impl PirepCommand {
    /// Whether it is a verdict of staff or takes one back: they say which version they saw.
    pub fn is_decision(&self) -> bool {
        matches!(
            self,
            Self::Accept { .. } | Self::Reject { .. } | Self::Reopen { .. }
        )
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct NewPirep {
    pub intent: Intent,
    pub pilot: UserId,
    pub source: Source,
    pub plan: Plan,
    pub report: Option<Report>,
    pub remarks: Option<String>,
    pub custom_fields: Option<CustomFields>,
    /// The pilot's booking that it flies.
    pub bid: Option<BidId>,
    /// The flight of the schedule that it flies: the bid's, if it names one.
    pub scheduled_flight: Option<ScheduledFlightId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// To be completed later.
    Draft,
    /// To be flown now.
    Prefile,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    pub plan: Option<Plan>,
    pub report: Option<Report>,
    /// Empty text removes them.
    pub remarks: Option<String>,
    /// All of them.
    pub custom_fields: Option<CustomFields>,
    /// Asked of staff.
    pub reason: Option<String>,
    /// It is the whole report as its owner has it: what staff corrected meanwhile is no change of theirs.
    pub sent_whole: bool,
}
