//! One lane: a part of the read model that advances by itself, a batch at a time.

use crate::application::error::ServiceError;
use crate::application::event_names::event_name;
use crate::application::events::{DecodedEvent, EventReader, ReadError};
use crate::application::projections::{flights, people, tables};
use crate::ports::event_store::{EventStore, RecordedEvent};
use crate::ports::read_model::{Change, Checkpoint, LaneGuard, ReadModel, Table};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Tenants, users, their keys.
    People,
    /// PIREPs.
    Flights,
}

/// What an attempt to advance came to.
#[derive(Debug)]
pub enum Advance {
    /// Nothing is left to do.
    UpToDate,
    /// Somebody else advances this lane.
    Held,
    /// So many events are left, as far as is known.
    Moved { behind: i64 },
    /// The event behind `position` cannot be projected. What came before it is.
    Stopped { position: i64, error: ServiceError },
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

    /// Whether an event of this type concerns it: one that cannot be read stops nobody else.
    fn reads(self, kind: i16) -> bool {
        match event_name(kind) {
            Some(("Pirep", _)) => self == Self::Flights,
            Some(_) => self == Self::People,
            // A later release wrote it: it may concern anybody.
            None => true,
        }
    }

    fn tables(self) -> &'static [&'static Table] {
        match self {
            Self::People => tables::PEOPLE_TABLES,
            Self::Flights => tables::FLIGHTS_TABLES,
        }
    }

    async fn project(
        self,
        guard: &mut dyn LaneGuard,
        events: &[DecodedEvent],
    ) -> Result<Vec<Change>, ServiceError> {
        match self {
            Self::People => people::project(guard, events).await,
            Self::Flights => flights::project(guard, events).await,
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
            drop(guard);
            return self.restart(sources, head.epoch).await;
        }
        if checkpoint.position >= head.position {
            return Ok(Advance::UpToDate);
        }
        let mut recorded = sources
            .events
            .read_after(checkpoint.position, sources.batch)
            .await?;
        // Whatever is delivered twice counts once.
        recorded.retain(|event| event.position > checkpoint.position);
        self.commit(sources, guard, recorded, head.position).await
    }

    /// A restored log reuses positions: what was projected from the one before is void.
    async fn restart(
        self,
        sources: Sources<'_>,
        epoch: uuid::Uuid,
    ) -> Result<Advance, ServiceError> {
        tracing::info!(lane = self.name(), %epoch, "projecting from the start of the log");
        sources
            .read_model
            .reset_lane(self.name(), self.tables(), epoch)
            .await?;
        Ok(Advance::Moved { behind: 0 })
    }

    async fn commit(
        self,
        sources: Sources<'_>,
        mut guard: Box<dyn LaneGuard>,
        mut recorded: Vec<RecordedEvent>,
        head: i64,
    ) -> Result<Advance, ServiceError> {
        let before = guard.checkpoint();
        let last = recorded.last().map(|event| event.position);
        recorded.retain(|event| self.reads(event.kind));
        let (events, failure) = decode(sources.reader, &recorded).await?;
        let position = match &failure {
            Some((unreadable, _)) => unreadable - 1,
            None => last.unwrap_or(before.position),
        };
        if position > before.position {
            let changes = match self.project(&mut *guard, &events).await {
                Ok(changes) => changes,
                Err(error @ ServiceError::Corrupt(_)) => {
                    let position = before.position;
                    return Ok(Advance::Stopped { position, error });
                }
                Err(error) => return Err(error),
            };
            let checkpoint = Checkpoint { position, ..before };
            guard.commit(changes, checkpoint).await?;
        }
        Ok(match failure {
            None if last.is_none() => Advance::UpToDate,
            None => Advance::Moved {
                behind: head - position,
            },
            Some((_, error)) => Advance::Stopped { position, error },
        })
    }
}

/// The events up to the first that this release cannot read; that one's position, and why it cannot.
async fn decode(
    reader: &EventReader,
    recorded: &[RecordedEvent],
) -> Result<(Vec<DecodedEvent>, Option<(i64, ServiceError)>), ServiceError> {
    let error = match reader.decode(recorded).await {
        Ok(events) => return Ok((events, None)),
        Err(error) => error,
    };
    let ReadError::Undecodable { position, .. } = error else {
        return Err(error.into());
    };
    let readable = recorded
        .iter()
        .take_while(|event| event.position < position);
    let readable: Vec<RecordedEvent> = readable.cloned().collect();
    let events = reader.decode(&readable).await?;
    Ok((events, Some((position, error.into()))))
}
