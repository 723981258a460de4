//! The lane of flights: PIREPs.

use crate::application::error::ServiceError;
use crate::application::events::DecodedEvent;
use crate::application::projections::entities::Entities;
use crate::application::projections::tables::PIREPS;
use crate::application::views::StoredPirep;
use crate::domain::event::DomainEvent;
use crate::domain::ids::{PirepId, UserId};
use crate::domain::pirep::Pirep;
use crate::domain::user::UserEvent;
use crate::ports::read_model::{Change, Filter, LaneRows, Value};

/// What events make of this lane's tables.
pub struct Flights {
    pireps: Entities<PirepId, Pirep>,
}

impl Flights {
    pub fn empty() -> Self {
        Self {
            pireps: Entities::new(&PIREPS),
        }
    }

    pub async fn project(
        &mut self,
        rows: &mut dyn LaneRows,
        events: &[DecodedEvent],
    ) -> Result<(), ServiceError> {
        let of_flights = events
            .iter()
            .filter(|it| matches!(it.event, DomainEvent::Pirep(_)));
        self.pireps.load(of_flights, rows).await?;
        for envelope in events {
            match &envelope.event {
                DomainEvent::Pirep(event) => {
                    self.pireps.evolve(envelope, event);
                }
                DomainEvent::User(UserEvent::Erased) => {
                    self.erase(UserId(envelope.stream_id), rows).await?;
                }
                DomainEvent::User(_) | DomainEvent::Tenant(_) => {}
            }
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
        self.pireps.count()
    }

    pub fn let_go(&mut self, keep: usize) -> Result<Vec<Change>, ServiceError> {
        self.pireps.let_go(keep, columns)
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
