//! A change that can be seen, and who may learn of it.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use crate::application::error::ServiceError;
use crate::application::events::DecodedEvent;
use crate::application::identity::Identity;
use crate::application::pirep_queries::may_read;
use crate::application::projections::entities::document;
use crate::application::projections::tables::PIREPS;
use crate::application::shared::Shared;
use crate::application::views::StoredPirep;
use crate::domain::event::DomainEvent;
use crate::domain::ids::UserId;
use crate::domain::pirep::{PirepEvent, PirepState};

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    Changed(Changed),
    /// What came between is not known any more: everything is to be read anew.
    Reset,
}

/// An entity that has changed, and that queries show as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    pub epoch: Uuid,
    pub position: i64,
    /// `pirep` or `user`.
    pub topic: &'static str,
    /// Name of the event: `PirepSubmitted`.
    pub kind: &'static str,
    pub id: Uuid,
    pub version: i32,
}

/// A change with what decides who is told.
#[derive(Clone, Debug)]
pub struct Change {
    pub changed: Changed,
    audience: Audience,
}

#[derive(Clone, Copy, Debug)]
enum Audience {
    /// Whoever may read the PIREP.
    Pirep { pilot: UserId, state: PirepState },
    /// The user, and staff.
    User,
}

/// Whose the PIREPs of some events are, and how they stand now.
pub struct Pireps(HashMap<Uuid, (UserId, PirepState)>);

impl Pireps {
    pub async fn of(shared: &Shared, events: &[DecodedEvent]) -> Result<Self, ServiceError> {
        let pireps = events.iter();
        let pireps = pireps.filter(|it| matches!(it.event, DomainEvent::Pirep(_)));
        let ids: BTreeSet<_> = pireps.map(|it| it.stream_id).collect();
        let ids: Vec<_> = ids.into_iter().collect();
        if ids.is_empty() {
            return Ok(Self(HashMap::new()));
        }
        let rows = shared.read_model.rows(&PIREPS, &ids).await?;
        let known = rows.into_iter().map(|row| {
            let id = row.id;
            let pirep = document::<StoredPirep>(&PIREPS, row)?.entity;
            Ok((id, (pirep.pilot, pirep.state)))
        });
        Ok(Self(known.collect::<Result<_, ServiceError>>()?))
    }
}

impl Change {
    /// None for what nobody is told of.
    pub fn of(pireps: &Pireps, epoch: Uuid, envelope: &DecodedEvent) -> Option<Self> {
        let (topic, audience) = match &envelope.event {
            DomainEvent::Tenant(_)
            | DomainEvent::Aircraft(_)
            | DomainEvent::ScheduledFlight(_)
            | DomainEvent::Bid(_) => return None,
            DomainEvent::User(_) => ("user", Audience::User),
            DomainEvent::Pirep(event) => {
                let (pilot, state) = *pireps.0.get(&envelope.stream_id)?;
                // Whoever could read a draft is told that it is gone.
                let state = match **event {
                    PirepEvent::Discarded => PirepState::Draft,
                    _ => state,
                };
                ("pirep", Audience::Pirep { pilot, state })
            }
        };
        Some(Self {
            changed: Changed {
                epoch,
                position: envelope.position,
                topic,
                kind: envelope.event.name(),
                id: envelope.stream_id,
                version: envelope.version,
            },
            audience,
        })
    }

    pub fn concerns(&self, identity: &Identity) -> bool {
        match self.audience {
            Audience::Pirep { pilot, state } => may_read(identity, pilot, state),
            Audience::User => self.is_about(identity) || identity.reads_users(),
        }
    }

    fn is_about(&self, identity: &Identity) -> bool {
        self.changed.topic == "user" && self.changed.id == identity.user().0
    }
}
