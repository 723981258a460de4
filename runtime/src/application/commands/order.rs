//! A command on its way to its aggregate, and all that goes with it.

use uuid::Uuid;

use crate::application::commands::outcome::Loaded;
use crate::domain::actor::Actor;
use crate::domain::aggregate::Aggregate;
use crate::domain::refusal::Refusal;
use crate::ports::credentials::CredentialChange;
use crate::ports::event_store::{ClaimChange, ClientRequest};

/// What is written in the same transaction as a command's events.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    pub claims: Vec<ClaimChange>,
    pub credentials: Vec<CredentialChange>,
}

/// Computed from the state after the command and its events.
pub type BesideOf<A> = Box<dyn Fn(&A, &[<A as Aggregate>::Event]) -> Beside + Send + Sync>;

/// A command on its way to its aggregate.
pub struct Order<A: Aggregate> {
    pub stream: Uuid,
    pub command: A::Command,
    pub actor: Actor,
    pub facts: A::Facts,
    pub read: Option<Loaded<A>>,
    pub expected: Option<i32>,
    pub request: Option<ClientRequest>,
    pub command_id: Option<Uuid>,
    pub causation_id: Option<Uuid>,
    pub correlation_id: Option<Uuid>,
    pub hindrance: Option<Refusal>,
    pub beside: BesideOf<A>,
}

impl<A: Aggregate> Order<A> {
    pub fn new(
        stream: impl Into<Uuid>,
        command: A::Command,
        actor: Actor,
        facts: A::Facts,
    ) -> Self {
        Self {
            stream: stream.into(),
            command,
            actor,
            facts,
            read: None,
            expected: None,
            request: None,
            command_id: None,
            causation_id: None,
            correlation_id: None,
            hindrance: None,
            beside: Box::new(|_, _| Beside::default()),
        }
    }

    /// What the stream said when this request read it: the first attempt goes by that.
    #[must_use]
    pub fn having_read(mut self, read: impl Into<Option<Loaded<A>>>) -> Self {
        self.read = read.into();
        self
    }

    /// Only if the stream is still at this version (`If-Match`): then there is no second attempt.
    #[must_use]
    pub fn expecting(mut self, version: impl Into<Option<i32>>) -> Self {
        self.expected = version.into();
        self
    }

    /// The client named the request, so that a repeat is told apart.
    #[must_use]
    pub fn requested(mut self, request: impl Into<Option<ClientRequest>>) -> Self {
        self.request = request.into();
        self
    }

    /// The id by which the log knows a repeat, such as one that a policy derives from a position.
    #[must_use]
    pub fn with_command_id(mut self, id: Uuid) -> Self {
        self.command_id = Some(id);
        self
    }

    #[must_use]
    pub fn caused_by(mut self, event_id: impl Into<Option<Uuid>>) -> Self {
        self.causation_id = event_id.into();
        self
    }

    #[must_use]
    pub fn correlated(mut self, id: impl Into<Option<Uuid>>) -> Self {
        self.correlation_id = id.into();
        self
    }

    /// Nothing is written; what was done before is still answered, and what the rules do not permit is refused by them.
    #[must_use]
    pub fn unless(mut self, hindrance: Option<Refusal>) -> Self {
        self.hindrance = hindrance;
        self
    }

    /// Claims and credentials that follow from the state after the command and its events.
    /// A command that leads to no event writes none of it.
    #[must_use]
    pub fn beside(
        mut self,
        write: impl Fn(&A, &[A::Event]) -> Beside + Send + Sync + 'static,
    ) -> Self {
        self.beside = Box::new(write);
        self
    }
}
