//! The event store in memory.

use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

use crate::adapters::memory::log::{MemoryLog, State};
use crate::adapters::{chain, limits};
use crate::ports::event_store::{
    Append, AppendError, Appended, ChainLink, ClaimChange, EventStore, Head, MAX_PAGE_BYTES,
    RecordedEvent, RecordedRequest, StoreError, SubjectKey,
};

#[async_trait]
impl EventStore for MemoryLog {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        limits::check(&append)?;
        let mut state = self.state();
        if let Some(appended) = state.repeated(&append) {
            return Ok(appended);
        }
        state.admit(&append)?;
        let appended = state.write(append);
        self.hint(appended.position);
        Ok(appended)
    }

    async fn read_stream(
        &self,
        stream_id: Uuid,
        after_version: i32,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let state = self.state();
        let after = usize::try_from(after_version).unwrap_or(0);
        let stream = state.stream(stream_id).get(after..).unwrap_or_default();
        Ok(stream.iter().map(|&i| state.events[i].clone()).collect())
    }

    async fn read_after(
        &self,
        position: i64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let after = usize::try_from(position).unwrap_or(0);
        let mut bytes = 0;
        let fits = |event: &&RecordedEvent| {
            let fits = bytes < MAX_PAGE_BYTES;
            bytes += event.payload.len();
            fits
        };
        let state = self.state();
        let events = state.events.iter().skip(after).take(limit);
        Ok(events.take_while(fits).cloned().collect())
    }

    async fn head(&self) -> Result<Head, StoreError> {
        let state = self.state();
        Ok(self.known.read(Head {
            epoch: state.epoch,
            position: state.events.len() as i64,
        }))
    }

    async fn chain_after(&self, position: i64, limit: usize) -> Result<Vec<ChainLink>, StoreError> {
        let state = self.state();
        let start = state
            .chain
            .partition_point(|link| link.position <= position);
        Ok(state
            .chain
            .iter()
            .skip(start)
            .take(limit)
            .cloned()
            .collect())
    }

    async fn request(&self, key: &[u8; 32]) -> Result<Option<RecordedRequest>, StoreError> {
        let state = self.state();
        Ok(state.requests.get(key).map(|(request, _)| request.clone()))
    }

    async fn claim_owner(&self, claim: &[u8]) -> Result<Option<Uuid>, StoreError> {
        Ok(self.state().claims.get(claim).copied())
    }

    async fn subject_keys(&self, subjects: &[Uuid]) -> Result<Vec<SubjectKey>, StoreError> {
        let state = self.state();
        let key = |&subject: &Uuid| {
            let wrapped = state.subject_keys.get(&subject)?.clone();
            Some(SubjectKey { subject, wrapped })
        };
        Ok(subjects.iter().filter_map(key).collect())
    }

    fn appended(&self) -> watch::Receiver<Head> {
        self.known.watch()
    }

    fn hint(&self, position: i64) {
        self.known.raise(position);
    }
}

impl State {
    fn stream(&self, stream_id: Uuid) -> &[usize] {
        self.streams.get(&stream_id).map_or(&[], Vec::as_slice)
    }

    /// The first answer, if these very events are in the log.
    fn repeated(&self, append: &Append) -> Option<Appended> {
        let first = usize::try_from(append.expected_version).ok()?;
        let stream = self.stream(append.stream_id);
        let written = stream.get(first..first + append.events.len())?;
        let ids = written.iter().map(|&index| self.events[index].event_id);
        ids.eq(append.events.iter().map(|event| event.event_id))
            .then_some(())?;
        Some(Appended {
            version: append.expected_version + append.events.len() as i32,
            position: self.events[*written.last()?].position,
        })
    }

    fn admit(&self, append: &Append) -> Result<(), AppendError> {
        let request = append.request.as_ref();
        if let Some((found, _)) = request.and_then(|request| self.requests.get(&request.key)) {
            return Err(AppendError::RequestRepeated(found.clone()));
        }
        let actual = self.stream(append.stream_id).len() as i32;
        if actual != append.expected_version {
            return Err(AppendError::Conflict { actual });
        }
        for change in &append.claims {
            if let ClaimChange::Take { claim, owner } = change
                && let Some(holder) = self.claims.get(claim)
                && holder != owner
            {
                return Err(AppendError::ClaimTaken {
                    claim: claim.clone(),
                    owner: *holder,
                });
            }
        }
        for key in &append.subject_keys {
            let known = self.subject_keys.get(&key.subject);
            if known.is_some_and(|wrapped| *wrapped != key.wrapped) {
                return Err(AppendError::Conflict { actual });
            }
        }
        Ok(())
    }

    fn write(&mut self, append: Append) -> Appended {
        let head = self.events.len();
        for (event, index) in append.events.into_iter().zip(0..) {
            self.streams
                .entry(append.stream_id)
                .or_default()
                .push(head + index);
            self.events.push(RecordedEvent {
                position: (head + index + 1) as i64,
                stream_id: append.stream_id,
                version: append.expected_version + 1 + index as i32,
                kind: event.kind,
                schema: event.schema,
                event_id: event.event_id,
                command_id: append.command_id,
                causation_id: append.causation_id,
                correlation_id: append.correlation_id,
                actor: append.actor.clone(),
                recorded_at: append.recorded_at,
                payload: event.payload,
            });
        }
        let appended = Appended {
            version: self.stream(append.stream_id).len() as i32,
            position: self.events.len() as i64,
        };
        let previous = self.chain.last().map_or(chain::GENESIS, |link| link.hash);
        self.chain.push(ChainLink {
            position: appended.position,
            hash: chain::link(&previous, &self.events[head..]),
        });
        for change in append.claims {
            match change {
                ClaimChange::Take { claim, owner } => {
                    self.claims.insert(claim, owner);
                }
                ClaimChange::Release { claim, owner } => {
                    if self.claims.get(&claim) == Some(&owner) {
                        self.claims.remove(&claim);
                    }
                }
            }
        }
        if let Some(request) = append.request {
            let recorded = RecordedRequest {
                request,
                stream_id: append.stream_id,
                version: appended.version,
                position: appended.position,
            };
            let key = recorded.request.key;
            self.requests.insert(key, (recorded, append.recorded_at));
        }
        for key in append.subject_keys {
            self.subject_keys.insert(key.subject, key.wrapped);
        }
        self.apply(append.credentials);
        appended
    }
}
