//! The life cycle of a PIREP as a table: in which state who may do what.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PirepState {
    /// A web form being written.
    Draft,
    /// Prefiled, being flown.
    InProgress,
    /// The flight was interrupted.
    Paused,
    /// Awaits staff or, when staff asked something, the pilot.
    Submitted,
    Accepted,
    Rejected,
    /// Kept, does not count.
    Cancelled,
    /// A draft that was thrown away; shown to nobody.
    Discarded,
}

impl PirepState {
    pub const ALL: [Self; 8] = [
        Self::Draft,
        Self::InProgress,
        Self::Paused,
        Self::Submitted,
        Self::Accepted,
        Self::Rejected,
        Self::Cancelled,
        Self::Discarded,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "Draft",
            Self::InProgress => "InProgress",
            Self::Paused => "Paused",
            Self::Submitted => "Submitted",
            Self::Accepted => "Accepted",
            Self::Rejected => "Rejected",
            Self::Cancelled => "Cancelled",
            Self::Discarded => "Discarded",
        }
    }

    /// Flown, interruptions included.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::InProgress | Self::Paused)
    }
}

/// Whom a submitted PIREP awaits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Awaits {
    Staff,
    Pilot,
}

impl Awaits {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::Pilot => "pilot",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Edit,
    Merge,
    Pause,
    Resume,
    Submit,
    Finish,
    Withdraw,
    Ask,
    Answer,
    Accept,
    Reject,
    Reopen,
    Appeal,
    Cancel,
    Restore,
    Discard,
    Comment,
}

impl Action {
    pub const ALL: [Self; 17] = [
        Self::Edit,
        Self::Merge,
        Self::Pause,
        Self::Resume,
        Self::Submit,
        Self::Finish,
        Self::Withdraw,
        Self::Ask,
        Self::Answer,
        Self::Accept,
        Self::Reject,
        Self::Reopen,
        Self::Appeal,
        Self::Cancel,
        Self::Restore,
        Self::Discard,
        Self::Comment,
    ];

    /// The name that refusals list under `allowed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Edit => "edit",
            Self::Merge => "merge",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Submit => "submit",
            Self::Finish => "finish",
            Self::Withdraw => "withdraw",
            Self::Ask => "ask",
            Self::Answer => "answer",
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Reopen => "reopen",
            Self::Appeal => "appeal",
            Self::Cancel => "cancel",
            Self::Restore => "restore",
            Self::Discard => "discard",
            Self::Comment => "comment",
        }
    }
}

/// Who may do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Owner,
    Staff,
    Either,
}

/// What the actor is to one PIREP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub owner: bool,
    /// May decide this one: nobody decides their own, unless the settings allow it.
    pub staff: bool,
}

impl Who {
    pub fn admits(self, standing: Standing) -> bool {
        match self {
            Self::Owner => standing.owner,
            Self::Staff => standing.staff,
            Self::Either => standing.owner || standing.staff,
        }
    }
}

/// What people may do to a PIREP, by its state. A change that is not listed is refused; what programs note (milestones, reviews,
/// the start of a track) has rules of its own.
const LIFE_CYCLE: &[(PirepState, &[(Action, Who)])] = {
    use Action as A;
    use PirepState as S;
    use Who::{Either, Owner, Staff};
    &[
        (
            S::Draft,
            &[
                (A::Edit, Either),
                (A::Merge, Owner),
                (A::Submit, Owner),
                (A::Discard, Owner),
                (A::Comment, Either),
            ],
        ),
        (
            S::InProgress,
            &[
                (A::Edit, Either),
                (A::Merge, Owner),
                (A::Pause, Owner),
                (A::Submit, Owner),
                (A::Finish, Either),
                (A::Cancel, Either),
                (A::Comment, Either),
            ],
        ),
        (
            S::Paused,
            &[
                (A::Edit, Either),
                (A::Merge, Owner),
                (A::Resume, Owner),
                (A::Submit, Owner),
                (A::Cancel, Either),
                (A::Comment, Either),
            ],
        ),
        (
            S::Submitted,
            &[
                (A::Edit, Either),
                (A::Merge, Owner),
                (A::Accept, Staff),
                (A::Reject, Staff),
                (A::Ask, Staff),
                (A::Answer, Owner),
                (A::Withdraw, Owner),
                (A::Cancel, Owner),
                (A::Comment, Either),
            ],
        ),
        (
            S::Accepted,
            &[
                (A::Edit, Staff),
                (A::Reject, Staff),
                (A::Reopen, Staff),
                (A::Comment, Either),
            ],
        ),
        (
            S::Rejected,
            &[
                (A::Edit, Either),
                (A::Accept, Staff),
                (A::Reopen, Staff),
                (A::Appeal, Owner),
                (A::Comment, Either),
            ],
        ),
        (
            S::Cancelled,
            // What was measured is kept, also of a flight that was cancelled while its client was out of reach.
            &[
                (A::Edit, Staff),
                (A::Merge, Owner),
                (A::Restore, Either),
                (A::Comment, Either),
            ],
        ),
        (S::Discarded, &[]),
    ]
};

/// Who may do `action` in `state`; nobody if it is not listed.
pub fn who_may(state: PirepState, action: Action) -> Option<Who> {
    let (_, actions) = LIFE_CYCLE.iter().find(|(row, _)| *row == state)?;
    let (_, who) = actions.iter().find(|(listed, _)| *listed == action)?;
    Some(*who)
}
