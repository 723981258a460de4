//! The flights of the schedule that a pilot has booked. All bids of a pilot are one stream, so that none is made twice.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::aggregate::{Aggregate, Context};
use crate::domain::ids::{BidId, ScheduledFlightId, UserId};
use crate::domain::refusal::Refusal;

/// So long a bid waits to be flown.
pub const LIVES: SignedDuration = SignedDuration::from_hours(48);
/// Most bids of a pilot at a time.
pub const MOST: usize = 20;

/// The bids of one pilot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bids {
    pub pilot: UserId,
    /// Oldest first. Those that have expired are left out once another one is made.
    pub bids: Vec<Bid>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bid {
    pub id: BidId,
    pub flight: ScheduledFlightId,
    pub made_at: Timestamp,
    pub expires_at: Timestamp,
    /// By the submission or cancellation of a PIREP that flies it. That is in the PIREP's stream, not in this one:
    /// queries know of it, and tell the next decision.
    pub ended: bool,
}

/// What a decision about bids needs to know beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BidFacts {
    /// The pilot is suspended: no new flights.
    pub suspended: bool,
    /// The flight is in the schedule and not archived.
    pub scheduled: bool,
    /// Those that PIREPs have ended.
    pub ended: BTreeSet<BidId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BidCommand {
    /// Under an id that nothing has yet.
    Make {
        bid: BidId,
        flight: ScheduledFlightId,
    },
    Withdraw {
        bid: BidId,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BidEvent {
    Made {
        pilot: UserId,
        bid: BidId,
        flight: ScheduledFlightId,
        expires_at: Timestamp,
    },
    Withdrawn {
        bid: BidId,
    },
}

impl BidEvent {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Made { .. } => "BidMade",
            Self::Withdrawn { .. } => "BidWithdrawn",
        }
    }
}

/// The stream of a pilot's bids.
pub fn stream_of(pilot: UserId) -> Uuid {
    Uuid::new_v5(&pilot.0, b"bids")
}

impl Bids {
    /// Those that wait to be flown.
    pub fn open(&self, now: Timestamp) -> impl Iterator<Item = &Bid> {
        let bids = self.bids.iter();
        bids.filter(move |bid| !bid.ended && bid.expires_at > now)
    }

    /// A PIREP that flies it was submitted or cancelled.
    pub fn end(&mut self, bid: BidId) {
        if let Some(bid) = self.bids.iter_mut().find(|it| it.id == bid) {
            bid.ended = true;
        }
    }
}

impl Aggregate for Bids {
    type Command = BidCommand;
    type Event = BidEvent;
    type Facts = BidFacts;

    const NAME: &'static str = "bid";

    fn decide(
        state: Option<&Self>,
        command: &BidCommand,
        context: &Context<BidFacts>,
    ) -> Result<Vec<BidEvent>, Refusal> {
        let pilot = context.actor.user_id();
        let pilot = pilot.filter(|pilot| stream_of(*pilot) == context.stream);
        let pilot = pilot.ok_or_else(|| {
            Refusal::forbidden("not-yours", "Everybody books flights for themselves.")
        })?;
        let open = state.into_iter().flat_map(|bids| bids.open(context.now));
        let open = open.filter(|bid| !context.facts.ended.contains(&bid.id));
        let open: Vec<&Bid> = open.collect();
        match command {
            BidCommand::Make { bid, flight } => {
                check_new(*flight, &open, &context.facts)?;
                let expires_at = context.now.saturating_add(LIVES);
                Ok(vec![BidEvent::Made {
                    pilot,
                    bid: *bid,
                    flight: *flight,
                    expires_at: expires_at.unwrap_or(Timestamp::MAX),
                }])
            }
            BidCommand::Withdraw { bid } if open.iter().any(|it| it.id == *bid) => {
                Ok(vec![BidEvent::Withdrawn { bid: *bid }])
            }
            BidCommand::Withdraw { .. } => Err(Refusal::not_found(Self::NAME)),
        }
    }

    fn evolve(state: Option<Self>, event: &BidEvent, at: Timestamp) -> Option<Self> {
        match event {
            BidEvent::Made {
                pilot,
                bid,
                flight,
                expires_at,
            } => {
                let mut bids = state.map(|state| state.bids).unwrap_or_default();
                bids.retain(|it| it.expires_at > at && it.flight != *flight);
                bids.push(Bid {
                    id: *bid,
                    flight: *flight,
                    made_at: at,
                    expires_at: *expires_at,
                    ended: false,
                });
                Some(Self {
                    pilot: *pilot,
                    bids,
                })
            }
            BidEvent::Withdrawn { bid } => {
                let mut state = state?;
                state.bids.retain(|it| it.id != *bid);
                Some(state)
            }
        }
    }

    /// Nothing that a person wrote: pilot and flight are ids.
    fn subject(&self, _stream: Uuid) -> Option<UserId> {
        None
    }
}

fn check_new(flight: ScheduledFlightId, open: &[&Bid], facts: &BidFacts) -> Result<(), Refusal> {
    if facts.suspended {
        return Err(Refusal::forbidden(
            "suspended",
            "A suspended pilot books no flight.",
        ));
    }
    if !facts.scheduled {
        return Err(Refusal::invalid(
            "/flight",
            "unknown",
            "There is no such flight in the schedule.",
        ));
    }
    if open.iter().any(|bid| bid.flight == flight) {
        return Err(Refusal::conflict(
            "already-booked",
            "You have booked this flight already.",
        ));
    }
    if open.len() >= MOST {
        return Err(Refusal::limit(
            "too-many-bids",
            format!("A pilot books at most {MOST} flights at a time."),
        ));
    }
    Ok(())
}
