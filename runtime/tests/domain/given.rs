//! Given these events, when that is asked, then this follows.

use std::fmt::Debug;

use albatross::domain::actor::Actor;
use albatross::domain::aggregate::{Aggregate, Context};
use albatross::domain::ids::UserId;
use albatross::domain::refusal::{Refusal, RefusalKind};
use albatross::domain::roles::{Role, Roles};
use jiff::{Timestamp, ToSpan};
use uuid::Uuid;

pub const STREAM: Uuid = Uuid::from_u128(0x57);
pub const PILOT: UserId = UserId(Uuid::from_u128(1));
pub const REVIEWER: UserId = UserId(Uuid::from_u128(2));
pub const ADMIN: UserId = UserId(Uuid::from_u128(3));
pub const STRANGER: UserId = UserId(Uuid::from_u128(4));

/// The moment of every decision.
pub fn now() -> Timestamp {
    "2026-05-01T12:00:00Z".parse().unwrap()
}

pub fn pilot() -> Actor {
    Actor::user(PILOT, Role::Pilot.into())
}

pub fn reviewer() -> Actor {
    Actor::user(REVIEWER, Role::Reviewer.into())
}

pub fn admin() -> Actor {
    Actor::user(ADMIN, Role::TenantAdmin.into())
}

pub fn stranger() -> Actor {
    Actor::user(STRANGER, Role::Pilot.into())
}

/// A pilot who reviews, and meets a report of their own.
pub fn reviewing_pilot() -> Actor {
    let roles: Roles = [Role::Pilot, Role::Reviewer].into_iter().collect();
    Actor::user(PILOT, roles)
}

/// A past, and then a question about it.
pub struct Given<A: Aggregate> {
    pub state: Option<A>,
    facts: A::Facts,
    stream: Uuid,
}

impl<A: Aggregate<Facts: Default>> Given<A> {
    pub fn nothing() -> Self {
        Self::events([])
    }

    /// One event a minute, the last of them a minute ago.
    pub fn events(events: impl IntoIterator<Item = A::Event>) -> Self {
        let events: Vec<_> = events.into_iter().collect();
        let count = i64::try_from(events.len()).unwrap();
        let times = (0..count).map(|index| now() - (count - index).minutes());
        let state = A::fold(None, events.iter().zip(times));
        Self {
            state,
            facts: A::Facts::default(),
            stream: STREAM,
        }
    }

    pub fn with(mut self, facts: A::Facts) -> Self {
        self.facts = facts;
        self
    }

    pub fn of(mut self, stream: impl Into<Uuid>) -> Self {
        self.stream = stream.into();
        self
    }

    pub fn when(&self, actor: Actor, command: A::Command) -> Then<A> {
        let context = Context {
            now: now(),
            actor,
            stream: self.stream,
            facts: self.facts.clone(),
        };
        let outcome = A::decide(self.state.as_ref(), &command, &context);
        let after = outcome.as_ref().ok().and_then(|events| {
            let dated = events.iter().map(|event| (event, now()));
            A::fold(self.state.clone(), dated)
        });
        Then { outcome, after }
    }
}

/// What followed.
pub struct Then<A: Aggregate> {
    pub outcome: Result<Vec<A::Event>, Refusal>,
    after: Option<A>,
}

impl<A: Aggregate<Event: Debug + PartialEq>> Then<A> {
    #[track_caller]
    pub fn then(self, events: impl IntoIterator<Item = A::Event>) -> Option<A> {
        assert_eq!(self.outcome, Ok(events.into_iter().collect()));
        self.after
    }

    /// Whatever the events, this is the state that they lead to.
    #[track_caller]
    pub fn state(self) -> A {
        if let Err(refusal) = &self.outcome {
            panic!("refused: {refusal}");
        }
        self.after.expect("a state follows")
    }

    #[track_caller]
    pub fn refused(self, code: &str) -> Refusal {
        let refusal = self.outcome.expect_err("a refusal");
        assert_eq!(refusal.code, code, "{refusal}");
        refusal
    }

    #[track_caller]
    pub fn forbidden(self, code: &str) {
        assert_eq!(self.refused(code).kind, RefusalKind::Forbidden);
    }

    #[track_caller]
    pub fn conflicts(self, code: &str) {
        assert_eq!(self.refused(code).kind, RefusalKind::Conflict);
    }

    /// The faults as `pointer code`.
    #[track_caller]
    pub fn invalid(self, faults: &[&str]) {
        match self.outcome.expect_err("a refusal").kind {
            RefusalKind::Invalid { errors } => {
                let found: Vec<String> = errors
                    .iter()
                    .map(|error| format!("{} {}", error.pointer, error.code))
                    .collect();
                assert_eq!(found, faults);
            }
            other => panic!("not an invalid input, but {other:?}"),
        }
    }
}
