//! Every event of every aggregate, as one type for readers of the whole log.

use std::convert::identity;

use crate::domain::bids::BidEvent;
use crate::domain::catalogue::{Aircraft, ItemEvent, ScheduledFlight};
use crate::domain::pirep::PirepEvent;
use crate::domain::tenant::TenantEvent;
use crate::domain::user::UserEvent;

#[derive(Clone, Debug, PartialEq)]
pub enum DomainEvent {
    Tenant(TenantEvent),
    User(UserEvent),
    Pirep(Box<PirepEvent>),
    Aircraft(ItemEvent<Aircraft>),
    ScheduledFlight(Box<ItemEvent<ScheduledFlight>>),
    Bid(BidEvent),
}

impl DomainEvent {
    /// The event's name, as clients see it: `PirepSubmitted`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tenant(event) => event.name(),
            Self::User(event) => event.name(),
            Self::Pirep(event) => event.name(),
            Self::Aircraft(event) => event.name(),
            Self::ScheduledFlight(event) => event.name(),
            Self::Bid(event) => event.name(),
        }
    }
}

macro_rules! event_of {
    ($variant:ident, $event:ty, $wrap:expr, $unwrap:expr) => {
        impl From<$event> for DomainEvent {
            fn from(event: $event) -> Self {
                Self::$variant($wrap(event))
            }
        }

        impl TryFrom<DomainEvent> for $event {
            type Error = DomainEvent;

            fn try_from(event: DomainEvent) -> Result<Self, DomainEvent> {
                match event {
                    DomainEvent::$variant(event) => Ok($unwrap(event)),
                    other => Err(other),
                }
            }
        }
    };
}

event_of!(Tenant, TenantEvent, identity, identity);
event_of!(User, UserEvent, identity, identity);
event_of!(Pirep, PirepEvent, Box::new, |event: Box<PirepEvent>| *event);
event_of!(Aircraft, ItemEvent<Aircraft>, identity, identity);
event_of!(
    ScheduledFlight,
    ItemEvent<ScheduledFlight>,
    Box::new,
    |event: Box<ItemEvent<ScheduledFlight>>| *event
);
event_of!(Bid, BidEvent, identity, identity);
