//! A change that can be seen, and who may learn of it.

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
use crate::domain::pirep::PirepState;
use crate::domain::user::UserEvent;

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
    ends: Ends,
}

#[derive(Clone, Copy, Debug)]
enum Audience {
    /// Whoever may read the PIREP.
    Pirep { pilot: UserId, state: PirepState },
    /// The user, and staff.
    User,
}

/// Whose subscription a change ends: they come back with what they may do now.
#[derive(Clone, Debug)]
enum Ends {
    Nothing,
    Everything,
    Sessions,
    Key(String),
}

impl Change {
    /// None for what nobody is told of.
    pub async fn of(
        shared: &Shared,
        epoch: Uuid,
        envelope: &DecodedEvent,
    ) -> Result<Option<Self>, ServiceError> {
        let (topic, audience, ends) = match &envelope.event {
            DomainEvent::Tenant(_) => return Ok(None),
            DomainEvent::User(event) => ("user", Audience::User, ends(event)),
            DomainEvent::Pirep(_) => {
                let Some(row) = shared.read_model.get(&PIREPS, envelope.stream_id).await? else {
                    return Ok(None);
                };
                let pirep = document::<StoredPirep>(&PIREPS, row)?.entity;
                let (pilot, state) = (pirep.pilot, pirep.state);
                ("pirep", Audience::Pirep { pilot, state }, Ends::Nothing)
            }
        };
        Ok(Some(Self {
            changed: Changed {
                epoch,
                position: envelope.position,
                topic,
                kind: envelope.event.name(),
                id: envelope.stream_id,
                version: envelope.version,
            },
            audience,
            ends,
        }))
    }

    pub fn concerns(&self, identity: &Identity) -> bool {
        match self.audience {
            Audience::Pirep { pilot, state } => may_read(identity, pilot, state),
            Audience::User => self.is_about(identity) || identity.reads_users(),
        }
    }

    /// Whether the caller's rights are not any more what they were.
    pub fn ends(&self, identity: &Identity) -> bool {
        let key = identity.person.key.as_ref();
        self.is_about(identity)
            && match &self.ends {
                Ends::Nothing => false,
                Ends::Everything => true,
                Ends::Sessions => identity.session.is_some(),
                Ends::Key(id) => key.is_some_and(|key| key.id.as_str() == id),
            }
    }

    fn is_about(&self, identity: &Identity) -> bool {
        self.changed.topic == "user" && self.changed.id == identity.user().0
    }
}

fn ends(event: &UserEvent) -> Ends {
    match event {
        UserEvent::RolesChanged { .. } | UserEvent::Suspended { .. } | UserEvent::Erased => {
            Ends::Everything
        }
        UserEvent::PasswordChanged => Ends::Sessions,
        UserEvent::ApiKeyRevoked { key_id } => Ends::Key(key_id.to_string()),
        _ => Ends::Nothing,
    }
}
