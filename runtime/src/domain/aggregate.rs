//! The one shape of every aggregate: decide on a command, evolve by an event.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::actor::Actor;
use crate::domain::ids::UserId;
use crate::domain::refusal::Refusal;

/// What a decision may depend on beside the aggregate's own past.
#[derive(Clone, Debug)]
pub struct Context<F> {
    pub now: Timestamp,
    pub actor: Actor,
    /// The aggregate's own id.
    pub stream: Uuid,
    /// Facts from outside the stream.
    pub facts: F,
}

/// A consistency boundary: one stream, one writer at a time.
///
/// `None` as a state is a stream that does not exist yet.
pub trait Aggregate: Sized + Clone + Send + Sync + 'static {
    type Command: Send + Sync;
    type Event: Clone + Send + Sync;
    type Facts: Clone + Send + Sync;

    /// What it is called in messages: "PIREP".
    const NAME: &'static str;

    /// The events that the command leads to; none when it changes nothing.
    ///
    /// # Errors
    /// When the rules do not permit it.
    fn decide(
        state: Option<&Self>,
        command: &Self::Command,
        context: &Context<Self::Facts>,
    ) -> Result<Vec<Self::Event>, Refusal>;

    /// The state after an event that was recorded `at` that time. An event that cannot follow leaves it as it is.
    fn evolve(state: Option<Self>, event: &Self::Event, at: Timestamp) -> Option<Self>;

    /// The person whose data the events of `stream` hold: their texts are encrypted for this subject.
    fn subject(&self, stream: Uuid) -> Option<UserId>;

    /// The state after all of `events`.
    fn fold<'a>(
        state: Option<Self>,
        events: impl IntoIterator<Item = (&'a Self::Event, Timestamp)>,
    ) -> Option<Self>
    where
        Self::Event: 'a,
    {
        events
            .into_iter()
            .fold(state, |state, (event, at)| Self::evolve(state, event, at))
    }
}
