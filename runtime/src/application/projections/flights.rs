//! The lane of flights: PIREPs, what they are flown with, and what is booked.

use uuid::Uuid;

use crate::application::error::ServiceError;
use crate::application::events::DecodedEvent;
use crate::application::projections::catalogue::Tabled;
use crate::application::projections::entities::Entities;
use crate::application::projections::tables::{BIDS, PIREPS};
use crate::application::views::StoredPirep;
use crate::domain::bids::{Bids, stream_of};
use crate::domain::catalogue::{Aircraft, Item, ScheduledFlight};
use crate::domain::event::DomainEvent;
use crate::domain::ids::{BidId, PirepId, UserId};
use crate::domain::pirep::Pirep;
use crate::domain::user::UserEvent;
use crate::ports::read_model::{Change, Filter, LaneRows, Value};

/// What events make of this lane's tables.
pub struct Flights {
    pireps: Entities<PirepId, Pirep>,
    aircraft: Entities<Uuid, Item<Aircraft>>,
    schedule: Entities<Uuid, Item<ScheduledFlight>>,
    bids: Entities<Uuid, Bids>,
}

impl Flights {
    pub fn empty() -> Self {
        Self {
            pireps: Entities::new(&PIREPS),
            aircraft: Entities::new(Aircraft::TABLE),
            schedule: Entities::new(ScheduledFlight::TABLE),
            bids: Entities::new(&BIDS),
        }
    }

    pub async fn project(
        &mut self,
        rows: &mut dyn LaneRows,
        events: &[DecodedEvent],
    ) -> Result<(), ServiceError> {
        let of =
            |family: fn(&DomainEvent) -> bool| events.iter().filter(move |it| family(&it.event));
        let of_flights = of(|it| matches!(it, DomainEvent::Pirep(_)));
        self.pireps.load(of_flights, rows).await?;
        let of_aircraft = of(|it| matches!(it, DomainEvent::Aircraft(_)));
        self.aircraft.load(of_aircraft, rows).await?;
        let of_schedule = of(|it| matches!(it, DomainEvent::ScheduledFlight(_)));
        self.schedule.load(of_schedule, rows).await?;
        let of_bids = of(|it| matches!(it, DomainEvent::Bid(_)));
        self.bids.load(of_bids, rows).await?;
        for envelope in events {
            match &envelope.event {
                DomainEvent::Pirep(event) => {
                    let after = self.pireps.evolve(envelope, event);
                    let flown = after.filter(|_| event.ends_bid());
                    let flown = flown.map(|view| (view.entity.pilot, view.entity.bid));
                    if let Some((pilot, Some(bid))) = flown {
                        self.end(pilot, bid, rows).await?;
                    }
                }
                DomainEvent::Bid(event) => {
                    self.bids.evolve(envelope, event);
                }
                DomainEvent::Aircraft(event) => {
                    self.aircraft.evolve(envelope, event);
                }
                DomainEvent::ScheduledFlight(event) => {
                    self.schedule.evolve(envelope, event);
                }
                DomainEvent::User(UserEvent::Erased) => {
                    self.erase(UserId(envelope.stream_id), rows).await?;
                }
                DomainEvent::User(_) | DomainEvent::Tenant(_) => {}
            }
        }
        Ok(())
    }

    /// A bid ends with the flight that flies it.
    async fn end(
        &mut self,
        pilot: UserId,
        bid: BidId,
        rows: &mut dyn LaneRows,
    ) -> Result<(), ServiceError> {
        let stream = stream_of(pilot);
        self.bids.load_ids([stream].into_iter(), rows).await?;
        if let Some(bids) = self.bids.entity(stream) {
            bids.end(bid);
        }
        Ok(())
    }

    /// Nothing that was written on this pilot's flights stays.
    async fn erase(&mut self, pilot: UserId, rows: &mut dyn LaneRows) -> Result<(), ServiceError> {
        let theirs = Filter::Equals("pilot", Value::Uuid(pilot.0));
        self.pireps.load_where(theirs, rows).await?;
        for pirep in self.pireps.entities() {
            if pirep.pilot == pilot {
                pirep.erase();
            }
        }
        Ok(())
    }

    pub fn count(&self) -> usize {
        self.pireps.count() + self.aircraft.count() + self.schedule.count() + self.bids.count()
    }

    pub fn let_go(&mut self, keep: usize) -> Result<Vec<Change>, ServiceError> {
        let mut changes = self.pireps.let_go(keep, columns)?;
        changes.extend(self.aircraft.let_go(keep, Aircraft::columns)?);
        changes.extend(self.schedule.let_go(keep, ScheduledFlight::columns)?);
        changes.extend(self.bids.let_go(keep, |_| Vec::new())?);
        Ok(changes)
    }
}

fn columns(view: &StoredPirep) -> Vec<Value> {
    let pirep = &view.entity;
    let plan = &pirep.plan;
    let searched = [
        &plan.flight_number,
        &plan.callsign,
        &plan.departure,
        &plan.arrival,
        &plan.aircraft_type,
        &plan.registration,
    ];
    let searched: Vec<&str> = searched.into_iter().flatten().map(String::as_str).collect();
    // A time that is not there sorts as the earliest: a null could not be continued behind.
    let submitted = pirep.submitted_at.map_or(0, |at| at.as_microsecond());
    vec![
        Value::Text(pirep.state.as_str().to_owned()),
        Value::Uuid(pirep.pilot.0),
        Value::Integer(pirep.created_at.as_microsecond()),
        Value::Integer(submitted),
        Value::Text(searched.join(" ").to_lowercase()),
    ]
}
