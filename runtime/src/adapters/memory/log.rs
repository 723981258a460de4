//! The state that the event store and the credentials share: one mutex is one transaction.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use uuid::Uuid;

use crate::adapters::known_head::KnownHead;
use crate::ports::credentials::{Credential, CredentialChange, CredentialKind};
use crate::ports::event_store::{ChainLink, Head, RecordedEvent, RecordedRequest};

/// The log of one tenant with its credentials.
pub struct MemoryLog {
    pub(super) known: KnownHead,
    /// Shared with an import that has begun.
    pub(super) state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(super) struct State {
    pub epoch: Uuid,
    pub events: Vec<RecordedEvent>,
    pub chain: Vec<ChainLink>,
    /// Indices into `events`, by version.
    pub streams: HashMap<Uuid, Vec<usize>>,
    pub claims: HashMap<Vec<u8>, Uuid>,
    pub requests: HashMap<[u8; 32], (RecordedRequest, Timestamp)>,
    pub subject_keys: HashMap<Uuid, Vec<u8>>,
    pub credentials: BTreeMap<(CredentialKind, String), Credential>,
}

impl MemoryLog {
    /// An empty log. Its epoch is given, so that two logs can be told apart.
    pub fn new(epoch: Uuid) -> Self {
        let known = KnownHead::default();
        known.read(Head { epoch, position: 0 });
        Self {
            known,
            state: Arc::new(Mutex::new(State {
                epoch,
                ..State::default()
            })),
        }
    }

    /// In bytes: events, and the keys that stand beside them.
    pub fn size(&self) -> usize {
        let state = self.state();
        let events = state.events.iter();
        let events =
            events.map(|it| size_of::<RecordedEvent>() + it.payload.len() + it.actor.len());
        let keys = state.subject_keys.values().map(Vec::len);
        events.sum::<usize>() + keys.sum::<usize>()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub fn apply(&mut self, changes: Vec<CredentialChange>) {
        for change in changes {
            match change {
                CredentialChange::Put(credential) => {
                    let key = (credential.kind, credential.id.clone());
                    self.credentials.insert(key, credential);
                }
                CredentialChange::Delete { kind, id } => {
                    self.credentials.remove(&(kind, id));
                }
                CredentialChange::DeleteAll { kind, subject } => {
                    self.credentials
                        .retain(|_, c| c.kind != kind || c.subject != subject);
                }
                CredentialChange::Erase { subject } => self.erase(subject),
            }
        }
    }

    fn erase(&mut self, subject: Uuid) {
        self.subject_keys.remove(&subject);
        let (events, actor) = (&self.events, format!("user:{subject}"));
        let key = format!("{actor}/key:");
        let came_from_them = |request: &RecordedRequest| {
            let index = usize::try_from(request.position - 1).unwrap_or(usize::MAX);
            let by = events.get(index).map(|event| event.actor.as_str());
            by.is_some_and(|by| by == actor || by.starts_with(&key))
        };
        self.requests
            .retain(|_, (request, _)| request.stream_id != subject && !came_from_them(request));
    }
}
