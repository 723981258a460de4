//! Recorded events with their payload decoded, as projections, history and commands read them.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::application::subject_keys::{KeyError, SubjectKeys};
use crate::codec::{self, DecodeError, KeyRing};
use crate::domain::actor::RecordedActor;
use crate::domain::event::DomainEvent;
use crate::domain::ids::UserId;
use crate::ports::event_store::{RecordedEvent, StoreError};

/// An event and its envelope.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodedEvent {
    pub position: i64,
    pub stream_id: Uuid,
    pub version: i32,
    pub event_id: Uuid,
    pub command_id: Uuid,
    pub causation_id: Option<Uuid>,
    pub correlation_id: Option<Uuid>,
    /// As the envelope holds it; [`DecodedEvent::who`] reads it.
    pub actor: String,
    pub recorded_at: Timestamp,
    pub event: DomainEvent,
}

impl DecodedEvent {
    pub fn who(&self) -> RecordedActor {
        RecordedActor::parse(&self.actor)
    }
}

/// An event that this release cannot read. It is never skipped.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("event at position {position}, type {kind} in schema version {schema}: {source}")]
    Undecodable {
        position: i64,
        kind: i16,
        schema: i16,
        source: DecodeError,
    },
    #[error(transparent)]
    Keys(KeyError),
}

impl ReadError {
    /// The store's failure, if that is all it is.
    pub fn into_unavailable(self) -> Result<StoreError, Self> {
        match self {
            Self::Keys(KeyError::Unavailable(error)) => Ok(error),
            other => Err(other),
        }
    }
}

/// Decodes with the keys at hand; also says whose were missing.
///
/// # Errors
/// When type or version are unknown, or the payload is not what they say.
pub fn decode_recorded(
    recorded: &RecordedEvent,
    keys: &KeyRing,
) -> Result<(DecodedEvent, BTreeSet<UserId>), ReadError> {
    let decoded = codec::decode(
        recorded.kind,
        recorded.schema,
        recorded.event_id,
        &recorded.payload,
        keys,
    );
    let decoded = decoded.map_err(|source| ReadError::Undecodable {
        position: recorded.position,
        kind: recorded.kind,
        schema: recorded.schema,
        source,
    })?;
    let event = DecodedEvent {
        position: recorded.position,
        stream_id: recorded.stream_id,
        version: recorded.version,
        event_id: recorded.event_id,
        command_id: recorded.command_id,
        causation_id: recorded.causation_id,
        correlation_id: recorded.correlation_id,
        actor: recorded.actor.clone(),
        recorded_at: recorded.recorded_at,
        event: decoded.event,
    };
    Ok((event, decoded.missing))
}

/// Decodes with whatever keys it takes.
#[derive(Clone)]
pub struct EventReader {
    keys: Arc<SubjectKeys>,
}

impl EventReader {
    pub fn new(keys: Arc<SubjectKeys>) -> Self {
        Self { keys }
    }

    /// Knows the key of whoever was erased no more.
    pub fn forget(&self, subject: UserId) {
        self.keys.forget(subject);
    }

    /// In the same order. Texts of erased people come out as erased.
    ///
    /// # Errors
    /// At the first event that cannot be read, or when keys cannot be loaded.
    pub async fn decode(&self, recorded: &[RecordedEvent]) -> Result<Vec<DecodedEvent>, ReadError> {
        // Before any text is read: a key that this process still knows opens nothing any more.
        for event in recorded.iter().filter(|event| codec::erases(event.kind)) {
            self.keys.forget(UserId(event.stream_id));
        }
        let at_hand = self.keys.with(|keys| decode_each(recorded, keys))?;
        let mut events = Vec::with_capacity(recorded.len());
        let mut incomplete = Vec::new();
        for (index, (event, missing)) in at_hand.into_iter().enumerate() {
            if !missing.is_empty() {
                incomplete.push(index);
            }
            events.push(event);
        }
        self.complete(recorded, &incomplete, &mut events).await?;
        Ok(events)
    }

    /// The same without those that this release cannot read, for whoever may pass over them.
    ///
    /// # Errors
    /// When keys cannot be loaded.
    pub async fn decode_readable(
        &self,
        mut recorded: &[RecordedEvent],
    ) -> Result<Vec<DecodedEvent>, ReadError> {
        let mut events = Vec::with_capacity(recorded.len());
        loop {
            match self.decode(recorded).await {
                Ok(rest) => {
                    events.extend(rest);
                    return Ok(events);
                }
                Err(ReadError::Undecodable { position, .. }) => {
                    let before = recorded.partition_point(|event| event.position < position);
                    events.extend(self.decode(&recorded[..before]).await?);
                    recorded = recorded.get(before + 1..).unwrap_or_default();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Decodes some of the events again, with every key that there is.
    async fn complete(
        &self,
        recorded: &[RecordedEvent],
        incomplete: &[usize],
        events: &mut [DecodedEvent],
    ) -> Result<(), ReadError> {
        let mut ring = KeyRing::default();
        let mut asked = BTreeSet::new();
        loop {
            let mut wanted = BTreeSet::new();
            for index in incomplete {
                let (event, missing) = decode_recorded(&recorded[*index], &ring)?;
                events[*index] = event;
                wanted.extend(missing.difference(&asked).copied());
            }
            if wanted.is_empty() {
                return Ok(());
            }
            ring.extend(self.keys.load(&wanted).await.map_err(ReadError::Keys)?);
            asked.extend(wanted);
        }
    }
}

fn decode_each(
    recorded: &[RecordedEvent],
    keys: &KeyRing,
) -> Result<Vec<(DecodedEvent, BTreeSet<UserId>)>, ReadError> {
    let decoded = recorded.iter().map(|event| decode_recorded(event, keys));
    decoded.collect()
}
