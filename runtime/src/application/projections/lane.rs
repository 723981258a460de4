//! One lane: a part of the read model that advances by itself, a batch at a time.

use jiff::Timestamp;

use crate::application::error::ServiceError;
use crate::application::events::{DecodedEvent, EventReader, ReadError};
use crate::application::projections::flights::Flights;
use crate::application::projections::fold::Fold;
use crate::application::projections::people::People;
use crate::application::projections::tables;
use crate::codec::{Family, erases, family};
use crate::ports::event_store::{EventStore, RecordedEvent, StoreError, Undecodable};
use crate::ports::read_model::{Checkpoint, CommitError, LaneGuard, ReadModel, Table};

/// Most events of a log that a lane without rows follows from the start, in a transaction or a few. Of more, its tables
/// are built beside first.
const SHORT: i64 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Tenants, users, their keys.
    People,
    /// PIREPs, and the catalogue that they are flown by.
    Flights,
}

/// What an attempt to advance came to.
#[derive(Debug)]
pub enum Advance {
    /// Nothing is left to do.
    UpToDate(Reached),
    /// Somebody else advances this lane, or was faster.
    Held,
    /// Some of the log was projected.
    Moved(Reached),
    /// The log is another one: the lane begins anew.
    Restarted,
    /// The lane has never run, and the log is long: its tables are to be built.
    Unbuilt,
    /// The event behind what was reached cannot be projected. What came before it is.
    Stopped {
        reached: Reached,
        error: ServiceError,
    },
}

/// How far a lane is after an attempt.
#[derive(Debug, Default)]
pub struct Reached {
    /// Position of the last event that is projected.
    pub position: i64,
    /// Events that are not, as far as is known.
    pub behind: i64,
    /// When the oldest of those was recorded, or an event just before it.
    pub waiting_since: Option<Timestamp>,
    /// What this attempt made visible: each event's position, and when it was recorded.
    pub visible: Vec<(i64, Timestamp)>,
}

impl Reached {
    /// Of a lane that gets no further than this position now.
    ///
    /// # Errors
    /// When the log is unavailable.
    pub async fn at(position: i64, head: i64, events: &dyn EventStore) -> Result<Self, StoreError> {
        let behind = (head - position).max(0);
        let mut oldest = Vec::new();
        if behind > 0 {
            oldest = match events.read_after(position, 1).await {
                Err(error) if error.is::<Undecodable>() => before(position, events).await?,
                read => read?,
            };
        }
        Ok(Self {
            position,
            behind,
            waiting_since: oldest.first().map(|event| event.recorded_at),
            visible: Vec::new(),
        })
    }
}

/// The last event up to this position, if there is one.
async fn before(position: i64, events: &dyn EventStore) -> Result<Vec<RecordedEvent>, StoreError> {
    match position {
        0 => Ok(Vec::new()),
        _ => events.read_after(position - 1, 1).await,
    }
}

/// What lanes read and write.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    pub events: &'a dyn EventStore,
    pub reader: &'a EventReader,
    pub read_model: &'a dyn ReadModel,
    /// Most events of one transaction.
    pub batch: usize,
}

impl Lane {
    pub const ALL: [Self; 2] = [Self::People, Self::Flights];

    pub fn name(self) -> &'static str {
        match self {
            Self::People => tables::PEOPLE,
            Self::Flights => tables::FLIGHTS,
        }
    }

    pub fn tables(self) -> &'static [&'static Table] {
        match self {
            Self::People => tables::PEOPLE_TABLES,
            Self::Flights => tables::FLIGHTS_TABLES,
        }
    }

    /// Whether the lane reads events of this type. What nobody knows may be anybody's.
    pub fn reads(self, kind: i16) -> bool {
        match (self, family(kind)) {
            (_, None) => true,
            (Self::People, Some(family)) => is_of_people(family),
            // What a pilot wrote is on their flights too.
            (Self::Flights, Some(family)) => !is_of_people(family) || erases(kind),
        }
    }

    /// What its tables hold before any event.
    pub fn fold(self) -> Fold {
        match self {
            Self::People => Fold::People(People::empty()),
            Self::Flights => Fold::Flights(Flights::empty()),
        }
    }

    /// Projects the next batch in one transaction with the checkpoint.
    ///
    /// # Errors
    /// When a store is unavailable; nothing has changed then.
    pub async fn advance(self, sources: Sources<'_>) -> Result<Advance, ServiceError> {
        let head = sources.events.head().await?;
        let Some(guard) = sources.read_model.lock_lane(self.name()).await? else {
            return Ok(Advance::Held);
        };
        let checkpoint = guard.checkpoint();
        if checkpoint.epoch != head.epoch {
            if checkpoint.epoch.is_nil() && head.position > SHORT {
                return Ok(Advance::Unbuilt);
            }
            return self.restart(guard, head.epoch).await;
        }
        let up_to_date = Advance::UpToDate(Reached {
            position: checkpoint.position,
            ..Reached::default()
        });
        if checkpoint.position >= head.position {
            return Ok(up_to_date);
        }
        let read = sources
            .events
            .read_after(checkpoint.position, sources.batch);
        let mut recorded = match read.await {
            // Whose it is nobody can tell.
            Err(error) if error.is::<Undecodable>() => {
                let (position, events) = (checkpoint.position, sources.events);
                return Ok(Advance::Stopped {
                    reached: Reached::at(position, head.position, events).await?,
                    error: error.into(),
                });
            }
            read => read?,
        };
        // Whatever is delivered twice counts once.
        recorded.retain(|event| event.position > checkpoint.position);
        if recorded.is_empty() {
            return Ok(up_to_date);
        }
        self.commit(sources, guard, recorded, head.position).await
    }

    /// A restored log reuses positions: what was projected from the one before is void.
    ///
    /// # Errors
    /// When the read model is unavailable; nothing has changed then.
    pub async fn restart(
        self,
        guard: Box<dyn LaneGuard>,
        epoch: uuid::Uuid,
    ) -> Result<Advance, ServiceError> {
        tracing::info!(lane = self.name(), %epoch, "projecting from the start of the log");
        match guard.reset(self.tables(), epoch).await {
            Ok(()) => Ok(Advance::Restarted),
            Err(CommitError::Overtaken) => Ok(Advance::Held),
            Err(CommitError::Unavailable(error)) => Err(error.into()),
        }
    }

    async fn commit(
        self,
        sources: Sources<'_>,
        mut guard: Box<dyn LaneGuard>,
        mut recorded: Vec<RecordedEvent>,
        head: i64,
    ) -> Result<Advance, ServiceError> {
        let before = guard.checkpoint();
        let (events, mut failure) = self.decode(sources.reader, &recorded).await?;
        let mut stopped_by = None;
        if let Some((position, _)) = &failure {
            let readable = recorded.partition_point(|event| event.position < *position);
            stopped_by = recorded.drain(readable..).next();
        }
        if let Some(last) = recorded.last() {
            let position = last.position;
            let mut fold = self.fold();
            let projected = fold.project(&mut *guard, &events).await;
            match projected.and_then(|()| fold.let_go(0)) {
                Ok(changes) => {
                    let checkpoint = Checkpoint { position, ..before };
                    match guard.commit(changes, checkpoint).await {
                        Ok(()) => {}
                        Err(CommitError::Overtaken) => return Ok(Advance::Held),
                        Err(CommitError::Unavailable(error)) => return Err(error.into()),
                    }
                }
                Err(error @ ServiceError::Corrupt(_)) => {
                    failure = Some((before.position + 1, error));
                    stopped_by = recorded.drain(..).next();
                }
                Err(error) => return Err(error),
            }
        }
        let visible = recorded
            .iter()
            .map(|event| (event.position, event.recorded_at));
        let visible: Vec<_> = visible.collect();
        let (position, last) = visible
            .last()
            .map_or((before.position, None), |(position, at)| {
                (*position, Some(*at))
            });
        let behind = (head - position).max(0);
        let waiting_since = stopped_by.map(|event| event.recorded_at).or(last);
        let reached = Reached {
            position,
            behind,
            waiting_since: waiting_since.filter(|_| behind > 0),
            visible,
        };
        Ok(match failure {
            None => Advance::Moved(reached),
            Some((_, error)) => Advance::Stopped { reached, error },
        })
    }

    /// What this lane reads of the events, up to the first that this release cannot read; where that is, and why.
    async fn decode(
        self,
        reader: &EventReader,
        recorded: &[RecordedEvent],
    ) -> Result<(Vec<DecodedEvent>, Option<(i64, ServiceError)>), ServiceError> {
        let own = recorded.iter().filter(|event| self.reads(event.kind));
        let mut own: Vec<RecordedEvent> = own.cloned().collect();
        let error = match reader.decode(&own).await {
            Ok(events) => return Ok((events, None)),
            Err(error) => error,
        };
        let ReadError::Undecodable { position, .. } = error else {
            return Err(error.into());
        };
        own.retain(|event| event.position < position);
        let events = reader.decode(&own).await?;
        Ok((events, Some((position, error.into()))))
    }
}

fn is_of_people(family: Family) -> bool {
    matches!(family, Family::Tenant | Family::User)
}
