//! How one part of a tenant is doing.

use albatross_crds::conditions::{ConditionStatus, Reason};

/// A part's state, with what a condition says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub state: State,
    pub reason: Reason,
    pub message: String,
}

/// What it means for the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As declared.
    Done,
    /// On its way; some event will tell when it is there.
    Waiting,
    /// Something is in the way that may go away: try again.
    Failing,
    /// Someone has to change something.
    Stalled,
}

impl Part {
    pub fn done(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(State::Done, reason, message)
    }

    pub fn waiting(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(State::Waiting, reason, message)
    }

    pub fn failing(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(State::Failing, reason, message)
    }

    pub fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(State::Stalled, reason, message)
    }

    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The condition of this part.
    pub fn status(&self) -> ConditionStatus {
        match self.state {
            State::Done => ConditionStatus::True,
            State::Waiting => ConditionStatus::Unknown,
            State::Failing | State::Stalled => ConditionStatus::False,
        }
    }

    fn new(state: State, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            state,
            reason,
            message: message.into(),
        }
    }
}
