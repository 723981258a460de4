//! A policy: what follows from events by itself, without anybody asking for it.

use async_trait::async_trait;
use uuid::Uuid;

use crate::application::commands::{CommandError, Done};
use crate::application::error::ServiceError;
use crate::application::events::DecodedEvent;
use crate::application::reactions::due::{Cause, Timer};

/// Issues commands because of events, each by [`Cause::command_id`]: whatever is told twice takes effect once.
/// It may be told of old events again, so it looks at how things are now before it acts.
#[async_trait]
pub trait Policy: Send + Sync {
    /// Stands in the ids of its commands and in its timers, for ever.
    fn name(&self) -> &'static str;

    /// Whether it wants to be told of events of this name, such as `PirepSubmitted`.
    fn reads(&self, event: &str) -> bool;

    /// # Errors
    /// `Corrupt` stops the lane before this event; anything else is tried again.
    async fn react(&self, event: &DecodedEvent) -> Result<Option<Timing>, ServiceError>;

    /// A timer of its own is due: it is gone unless it is set again.
    ///
    /// # Errors
    /// As above, but that `Corrupt` puts off this timer only.
    async fn due(&self, timer: &Timer) -> Result<Option<Timing>, ServiceError>;
}

/// What is to become of a policy's timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timing {
    Set(Timer),
    /// The one about this subject, if it is set.
    Clear(Uuid),
}

impl From<&DecodedEvent> for Cause {
    fn from(event: &DecodedEvent) -> Self {
        Self {
            position: event.position,
            event_id: event.event_id,
        }
    }
}

/// A command that is refused has nothing to do any more: somebody else was first.
///
/// # Errors
/// When it could not be tried, or the stream moves too fast.
pub fn settled<A>(done: Result<Done<A>, CommandError>) -> Result<(), ServiceError> {
    match done {
        Ok(_) => Ok(()),
        Err(CommandError::Refused(refusal)) => {
            tracing::debug!(%refusal, "a reaction is not needed any more");
            Ok(())
        }
        Err(error @ (CommandError::Contended | CommandError::Stale { .. })) => {
            Err(ServiceError::Unavailable(error.into()))
        }
        Err(error) => Err(error.into()),
    }
}
