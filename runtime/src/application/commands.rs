//! The one way a command becomes events: load, fold, decide, encode, append; again on a conflict.

mod order;
mod outcome;

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::{Builder, Uuid};

use crate::application::events::{DecodedEvent, EventReader};
use crate::application::subject_keys::SubjectKeys;
use crate::codec::{self, KeyRing};
use crate::domain::aggregate::{Aggregate, Context};
use crate::domain::event::DomainEvent;
use crate::domain::ids::UserId;
use crate::domain::refusal::Refusal;
use crate::ports::clock::{Clock, Entropy};
use crate::ports::event_store::{
    Append, AppendError, ClientRequest, EventStore, NewEvent, RecordedRequest, SubjectKey,
};

pub use order::{Beside, Order};
pub use outcome::{CommandError, Done, Loaded};

/// How often a command whose caller named no version is tried against a moving stream.
const ATTEMPTS: usize = 3;

/// An aggregate whose events the log can hold.
pub trait Logged:
    Aggregate<Event: Into<DomainEvent> + TryFrom<DomainEvent, Error = DomainEvent>>
{
}

impl<A> Logged for A where
    A: Aggregate<Event: Into<DomainEvent> + TryFrom<DomainEvent, Error = DomainEvent>>
{
}

/// Carries out commands on one tenant's log.
#[derive(Clone)]
pub struct Commands {
    store: Arc<dyn EventStore>,
    keys: Arc<SubjectKeys>,
    reader: EventReader,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Commands {
    pub fn new(
        store: Arc<dyn EventStore>,
        keys: Arc<SubjectKeys>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let reader = EventReader::new(keys.clone());
        Self {
            store,
            keys,
            reader,
            clock,
            entropy,
        }
    }

    /// Reads a stream to its end.
    ///
    /// # Errors
    /// When it is another aggregate's, cannot be read, or the store is unavailable.
    pub async fn load<A: Logged>(
        &self,
        stream: impl Into<Uuid>,
    ) -> Result<Loaded<A>, CommandError> {
        Ok(self.load_and_find(stream.into(), None).await?.0)
    }

    /// The same, and whether this command is among those that made it so.
    async fn load_and_find<A: Logged>(
        &self,
        stream: Uuid,
        command_id: Option<Uuid>,
    ) -> Result<(Loaded<A>, bool), CommandError> {
        let recorded = self.store.read_stream(stream, 0).await;
        let recorded = recorded.map_err(CommandError::Unavailable)?;
        let done = recorded
            .iter()
            .any(|event| Some(event.command_id) == command_id);
        let mut loaded = Loaded {
            state: None,
            version: 0,
            position: 0,
            bytes: recorded.iter().map(|event| event.payload.len()).sum(),
        };
        for decoded in self.reader.decode(&recorded).await? {
            let event = A::Event::try_from(decoded.event).map_err(|_| id_taken(A::NAME))?;
            loaded.state = A::evolve(loaded.state, &event, decoded.recorded_at);
            loaded.version = decoded.version;
            loaded.position = decoded.position;
        }
        Ok((loaded, done))
    }

    /// Load unless that was done, decide, append. Without an expected version, it is tried three times in all as long as
    /// others are faster.
    /// A command that is named by an id which its stream holds was carried out before: it changes nothing.
    ///
    /// # Errors
    /// A refusal, or one of the other reasons for which nothing was written.
    pub async fn execute<A: Logged>(&self, order: Order<A>) -> Result<Done<A>, CommandError> {
        let request = order.request.clone();
        self.refuse_repeat(request.as_ref()).await?;
        // Its state is 10 KiB, with which every future around it would be moved.
        let done = Box::pin(self.carry_out(order)).await;
        if let Err(
            CommandError::Refused(_)
            | CommandError::Stale { .. }
            | CommandError::ClaimTaken { .. }
            | CommandError::Contended,
        ) = &done
        {
            // The first request of this name may have been under way: what stands against the second is its own doing.
            self.refuse_repeat(request.as_ref()).await?;
        }
        done
    }

    async fn carry_out<A: Logged>(&self, mut order: Order<A>) -> Result<Done<A>, CommandError> {
        for _ in 0..ATTEMPTS {
            let loaded = match order.read.take() {
                Some(read) if order.command_id.is_none() => read,
                _ => match self
                    .load_and_find::<A>(order.stream, order.command_id)
                    .await?
                {
                    (loaded, true) => return done_before(loaded),
                    (loaded, false) => loaded,
                },
            };
            if let Some(expected) = order.expected
                && expected != loaded.version
                && loaded.version > 0
            {
                return Err(CommandError::Stale {
                    actual: loaded.version,
                });
            }
            match self.attempt(&order, loaded).await {
                Err(Attempt::Conflict { actual }) => {
                    if order.expected.is_some() {
                        return Err(CommandError::Stale { actual });
                    }
                }
                Err(Attempt::Failed(error)) => return Err(error),
                Ok(done) => return Ok(done),
            }
        }
        Err(CommandError::Contended)
    }

    async fn refuse_repeat(&self, request: Option<&ClientRequest>) -> Result<(), CommandError> {
        let Some(request) = request else {
            return Ok(());
        };
        let before = self.store.request(&request.key).await;
        match before.map_err(CommandError::Unavailable)? {
            Some(before) => Err(repeated(request, before)),
            None => Ok(()),
        }
    }

    async fn attempt<A: Logged>(
        &self,
        order: &Order<A>,
        loaded: Loaded<A>,
    ) -> Result<Done<A>, Attempt> {
        let context = Context {
            now: self.clock.now(),
            actor: order.actor.clone(),
            stream: order.stream,
            facts: order.facts.clone(),
        };
        let events = A::decide(loaded.state.as_ref(), &order.command, &context)?;
        let dated = events.iter().map(|event| (event, context.now));
        let state = A::fold(loaded.state, dated).ok_or_else(|| Refusal::not_found(A::NAME))?;
        if events.is_empty() {
            return Ok(Done {
                state,
                version: loaded.version,
                position: loaded.position,
                events: Vec::new(),
            });
        }
        if order.expected.is_some_and(|seen| seen != loaded.version) {
            // Nobody saw what is not there. Where there is nothing to change either, that has been said.
            return Err(CommandError::Stale {
                actual: loaded.version,
            }
            .into());
        }
        if let Some(refusal) = &order.hindrance {
            return Err(refusal.clone().into());
        }
        let (keys, new_subject) = self.keys_for(&state, order.stream, loaded.version).await?;
        let subject = state.subject(order.stream);
        let beside = (order.beside)(&state, &events);
        let mut append = Append {
            command_id: order.command_id.unwrap_or_else(|| self.new_id(&context)),
            stream_id: order.stream,
            expected_version: loaded.version,
            events: Vec::with_capacity(events.len()),
            causation_id: order.causation_id,
            correlation_id: order.correlation_id,
            actor: order.actor.to_string(),
            recorded_at: context.now,
            claims: beside.claims,
            request: order.request.clone(),
            credentials: beside.credentials,
            subject_keys: new_subject.into_iter().collect(),
        };
        let events: Vec<DomainEvent> = events.into_iter().map(Into::into).collect();
        for event in &events {
            let event_id = self.new_id(&context);
            let encoded = codec::encode(event, event_id, subject, &keys)?;
            append.events.push(NewEvent {
                event_id,
                kind: encoded.kind,
                schema: encoded.schema,
                payload: encoded.payload,
            });
        }
        self.append(append, events, state).await
    }

    async fn append<A>(
        &self,
        append: Append,
        events: Vec<DomainEvent>,
        state: A,
    ) -> Result<Done<A>, Attempt> {
        let written = append.clone();
        let appended = self.store.append(append).await;
        let appended = appended.map_err(|error| Attempt::from_store(error, &written))?;
        let last = written.events.len();
        let events = events.into_iter().zip(&written.events).enumerate();
        let events = events.map(|(index, (event, new))| DecodedEvent {
            position: appended.position - (last - 1 - index) as i64,
            stream_id: written.stream_id,
            version: written.expected_version + 1 + index as i32,
            event_id: new.event_id,
            command_id: written.command_id,
            causation_id: written.causation_id,
            correlation_id: written.correlation_id,
            actor: written.actor.clone(),
            recorded_at: written.recorded_at,
            event,
        });
        Ok(Done {
            state,
            version: appended.version,
            position: appended.position,
            events: events.collect(),
        })
    }

    /// The key that the events' texts are sealed with: a new one for whoever's own stream begins.
    async fn keys_for<A: Aggregate>(
        &self,
        state: &A,
        stream: Uuid,
        version: i32,
    ) -> Result<(KeyRing, Option<SubjectKey>), CommandError> {
        let Some(subject) = state.subject(stream) else {
            return Ok((KeyRing::default(), None));
        };
        if version > 0 || subject != UserId(stream) {
            let ring = self.keys.load(&BTreeSet::from([subject])).await?;
            return Ok((ring, None));
        }
        let new = self.keys.create(subject, self.entropy.as_ref())?;
        let mut ring = KeyRing::default();
        ring.insert(subject, new.key);
        Ok((ring, Some(new.row)))
    }

    /// A UUID of version 7 (RFC 9562) from the injected clock and randomness.
    fn new_id<F>(&self, context: &Context<F>) -> Uuid {
        let mut random = [0; 10];
        self.entropy.fill(&mut random);
        let milliseconds = u64::try_from(context.now.as_millisecond()).unwrap_or_default();
        Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid()
    }
}

/// How one attempt failed.
enum Attempt {
    Conflict { actual: i32 },
    Failed(CommandError),
}

impl Attempt {
    fn from_store(error: AppendError, append: &Append) -> Self {
        Self::Failed(match error {
            AppendError::Conflict { actual } => return Self::Conflict { actual },
            AppendError::ClaimTaken { claim, owner } => CommandError::ClaimTaken { claim, owner },
            AppendError::RequestRepeated(before) => match &append.request {
                Some(request) => repeated(request, before),
                None => CommandError::Repeated(before),
            },
            AppendError::Invalid(why) => CommandError::NotAppended(why),
            AppendError::Unavailable(error) => CommandError::Unavailable(error),
        })
    }
}

impl<E: Into<CommandError>> From<E> for Attempt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

fn done_before<A: Aggregate>(loaded: Loaded<A>) -> Result<Done<A>, CommandError> {
    Ok(Done {
        state: loaded.state.ok_or_else(|| Refusal::not_found(A::NAME))?,
        version: loaded.version,
        position: loaded.position,
        events: Vec::new(),
    })
}

fn repeated(request: &ClientRequest, before: RecordedRequest) -> CommandError {
    if before.request.body_digest == request.body_digest {
        CommandError::Repeated(before)
    } else {
        CommandError::RequestReused
    }
}

fn id_taken(name: &str) -> CommandError {
    CommandError::Refused(Refusal::conflict(
        "id-taken",
        format!("This id belongs to something that is no {name}."),
    ))
}
