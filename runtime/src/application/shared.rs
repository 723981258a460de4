//! What the services of one airline share: its ports, its secrets, and the ways to its events.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::{Builder, Uuid};

use crate::application::commands::{CommandError, Commands, Done, Logged};
use crate::application::declared::LastDeclared;
use crate::application::error::ServiceError;
use crate::application::events::{DecodedEvent, EventReader};
use crate::application::flight::Flight;
use crate::application::passwords::Passwords;
use crate::application::projections::Projections;
use crate::application::room::Room;
use crate::application::secrets::Pepper;
use crate::application::subject_keys::SubjectKeys;
use crate::application::views::Standing;
use crate::application::write::{Outcome, Written};
use crate::codec::TenantKey;
use crate::domain::ids::TenantId;
use crate::domain::refusal::Refusal;
use crate::ports::cache::Cache;
use crate::ports::clock::{Clock, Entropy};
use crate::ports::credentials::Credentials;
use crate::ports::erasures::Erasures;
use crate::ports::event_bus::WakeUps;
use crate::ports::event_store::EventStore;
use crate::ports::read_model::ReadModel;
use crate::ports::storage::Storage;
use crate::ports::track_store::TrackStore;

/// What an airline is built from.
pub struct Parts {
    pub tenant: TenantId,
    /// The name it is declared under.
    pub name: String,
    /// Origin under which browsers reach it.
    pub public_url: String,
    pub events: Arc<dyn EventStore>,
    pub credentials: Arc<dyn Credentials>,
    pub read_model: Arc<dyn ReadModel>,
    pub tracks: Arc<dyn TrackStore>,
    pub storage: Arc<dyn Storage>,
    /// Who was erased, where it is kept outside the database.
    pub erasures: Option<Arc<dyn Erasures>>,
    pub cache: Arc<dyn Cache>,
    pub wake_ups: Arc<dyn WakeUps>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    /// Wraps the keys of people's data.
    pub tenant_key: [u8; 32],
    /// Keys the digests of secrets and addresses.
    pub pepper: [u8; 32],
    /// Shared by all airlines of a process: memory is what bounds it.
    pub passwords: Arc<Passwords>,
}

/// The same, put together.
pub struct Shared {
    pub tenant: TenantId,
    pub name: String,
    pub public_url: String,
    pub events: Arc<dyn EventStore>,
    pub credentials: Arc<dyn Credentials>,
    pub read_model: Arc<dyn ReadModel>,
    pub tracks: Arc<dyn TrackStore>,
    pub erasures: Option<Arc<dyn Erasures>>,
    pub cache: Arc<dyn Cache>,
    pub wake_ups: Arc<dyn WakeUps>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub pepper: Pepper,
    pub passwords: Arc<Passwords>,
    pub keys: Arc<SubjectKeys>,
    pub commands: Commands,
    pub reader: EventReader,
    pub projections: Projections,
    /// What the airline says of itself, as was read not long ago.
    pub declared: LastDeclared,
    /// How much its data takes, as was measured not long ago.
    pub room: Room,
}

impl Shared {
    pub fn new(parts: Parts) -> Arc<Self> {
        let tenant_key = TenantKey::new(&parts.tenant_key);
        let keys = SubjectKeys::new(parts.events.clone(), tenant_key, parts.clock.clone());
        let keys = Arc::new(keys);
        let reader = EventReader::new(keys.clone());
        Arc::new(Self {
            commands: Commands::new(
                parts.events.clone(),
                keys.clone(),
                parts.clock.clone(),
                parts.entropy.clone(),
            ),
            keys,
            projections: Projections::new(
                parts.events.clone(),
                reader.clone(),
                parts.read_model.clone(),
                parts.clock.clone(),
                parts.entropy.clone(),
            ),
            reader,
            tenant: parts.tenant,
            name: parts.name,
            public_url: parts.public_url,
            events: parts.events,
            credentials: parts.credentials,
            read_model: parts.read_model,
            tracks: parts.tracks,
            erasures: parts.erasures,
            cache: parts.cache,
            wake_ups: parts.wake_ups,
            clock: parts.clock,
            entropy: parts.entropy,
            pepper: Pepper::new(parts.pepper),
            passwords: parts.passwords,
            declared: LastDeclared::default(),
            room: Room::new(parts.storage),
        })
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A UUID of version 7 (RFC 9562) from the injected clock and randomness.
    pub fn new_id(&self) -> Uuid {
        let mut random = [0; 10];
        self.entropy.fill(&mut random);
        let milliseconds = u64::try_from(self.now().as_millisecond()).unwrap_or_default();
        Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid()
    }

    /// The events of one stream.
    pub async fn stream(&self, stream: Uuid) -> Result<Vec<DecodedEvent>, ServiceError> {
        let recorded = self.events.read_stream(stream, 0).await?;
        Ok(self.reader.decode(&recorded).await?)
    }

    /// An aggregate as its stream says now.
    pub async fn load<Id: From<Uuid>, A: Logged>(
        &self,
        id: Uuid,
    ) -> Result<Option<Standing<Id, A>>, ServiceError> {
        let loaded = self.commands.load::<A>(id).await?;
        Ok(loaded.state.map(|entity| Standing {
            id: Id::from(id),
            version: loaded.version,
            position: loaded.position,
            entity,
        }))
    }

    /// A flight as its stream says, unless the request has read it.
    pub async fn read_flight(&self, flight: impl Into<Flight>) -> Result<Flight, ServiceError> {
        let mut flight = flight.into();
        if flight.read.is_none() {
            flight.read = Some(self.commands.load(flight.id).await?);
        }
        Ok(flight)
    }

    /// An aggregate as a write left it; a request that was answered before gets its old answer.
    pub async fn answer<Id, A>(
        &self,
        id: Uuid,
        done: Result<Done<A>, CommandError>,
    ) -> Result<Written<Standing<Id, A>>, ServiceError>
    where
        Id: From<Uuid>,
        A: Logged,
    {
        match done {
            Ok(done) => Ok(written(id, done)),
            Err(CommandError::Repeated(before)) if before.request.secret => {
                Err(ServiceError::AlreadyIssued)
            }
            Err(CommandError::Repeated(before)) => {
                self.as_of(before.stream_id, before.version).await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn as_of<Id: From<Uuid>, A: Logged>(
        &self,
        id: Uuid,
        version: i32,
    ) -> Result<Written<Standing<Id, A>>, ServiceError> {
        let (mut state, mut position) = (None, 0);
        let (mut first, mut last) = (None, None);
        for envelope in self.stream(id).await? {
            if envelope.version > version {
                break;
            }
            position = envelope.position;
            last = Some(envelope.command_id);
            first = first.or(last);
            let event = A::Event::try_from(envelope.event);
            let event = event.map_err(|_| ServiceError::not_found(A::NAME))?;
            state = A::evolve(state, &event, envelope.recorded_at);
        }
        let entity = state.ok_or_else(|| ServiceError::not_found(A::NAME))?;
        Ok(Written {
            entity: Standing {
                id: Id::from(id),
                version,
                position,
                entity,
            },
            version,
            position,
            outcome: match first == last {
                true => Outcome::CreatedBefore,
                false => Outcome::Repeated,
            },
        })
    }
}

fn written<Id: From<Uuid>, A>(id: Uuid, done: Done<A>) -> Written<Standing<Id, A>> {
    let outcome = match done.events.first() {
        None => Outcome::Repeated,
        Some(event) if event.version == 1 => Outcome::Created,
        Some(_) => Outcome::Changed,
    };
    Written {
        entity: Standing {
            id: Id::from(id),
            version: done.version,
            position: done.position,
            entity: done.state,
        },
        version: done.version,
        position: done.position,
        outcome,
    }
}

impl From<CommandError> for ServiceError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Refused(refusal) => Self::Refused(refusal),
            CommandError::Stale { actual } => Self::Stale { actual },
            CommandError::ClaimTaken { .. } => Self::Refused(Refusal::conflict(
                "taken",
                "Somebody else has this already.",
            )),
            CommandError::Repeated(_) => Self::AlreadyIssued,
            CommandError::RequestReused => Self::IdempotencyMismatch,
            CommandError::Contended => Self::Refused(Refusal::conflict(
                "contended",
                "It changed under every attempt; try again.",
            )),
            CommandError::Unavailable(error) => error.into(),
            CommandError::NotAppended(why) => {
                let detail = format!("It is more than one command may write: {why}.");
                Self::invalid("", "too-large", detail)
            }
            error @ (CommandError::Unreadable(_) | CommandError::Unwritable(_)) => {
                Self::Corrupt(error.to_string())
            }
        }
    }
}
