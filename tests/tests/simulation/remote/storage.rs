//! The log, the credentials and the telemetry.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use albatross::adapters::known_head::KnownHead;
use albatross::ports::credentials::{Credential, CredentialChange, CredentialKind, Credentials};
use albatross::ports::event_store::{
    Append, AppendError, Appended, ChainLink, EventStore, Head, RecordedEvent, RecordedRequest,
    StoreError, SubjectKey,
};
use albatross::ports::track_store::{Extent, LogLine, Sample, Stored, TrackError, TrackStore};
use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use crate::remote::{Sabotage, Servers};
use crate::wire::Link;

/// Calls a method of the port on the server.
macro_rules! remote {
    ($self:ident, $inner:ident => $call:expr) => {{
        let $inner = $self.inner.clone();
        $self.link.call(async move { $call.await }).await?
    }};
}

pub struct RemoteLog {
    inner: Arc<dyn EventStore>,
    link: Link,
    known: KnownHead,
    sabotaged: bool,
}

impl RemoteLog {
    /// Knows the end of the log from its beginning on.
    pub async fn open(servers: Arc<Servers>, link: Link) -> Result<Self, StoreError> {
        let log = Self {
            inner: servers.log.clone(),
            link,
            known: KnownHead::default(),
            sabotaged: servers.sabotage == Some(Sabotage::LostAppend),
        };
        log.head().await?;
        Ok(log)
    }
}

#[async_trait]
impl EventStore for RemoteLog {
    /// As the combiner does it: once more after a failure, and to its end even if the caller goes away.
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (inner, link) = (self.inner.clone(), self.link.clone());
        if self.sabotaged && append.expected_version == 1 && append.request.is_some() {
            let version = append.expected_version + append.events.len() as i32;
            let position = self.known.watch().borrow().position;
            return Ok(Appended { version, position });
        }
        let appending = tokio::spawn(async move {
            let once = || {
                let (inner, append) = (inner.clone(), append.clone());
                link.call(async move { inner.append(append).await })
            };
            match once().await {
                Ok(outcome) => Ok(outcome),
                Err(_) => once().await,
            }
        });
        let outcome = match appending.await {
            Ok(Ok(outcome)) => outcome?,
            Ok(Err(error)) => return Err(AppendError::Unavailable(error)),
            Err(error) => return Err(AppendError::Unavailable(error.into())),
        };
        self.hint(outcome.position);
        Ok(outcome)
    }

    async fn read_stream(
        &self,
        stream_id: Uuid,
        after_version: i32,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        remote!(self, log => log.read_stream(stream_id, after_version))
    }

    async fn read_after(
        &self,
        position: i64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        remote!(self, log => log.read_after(position, limit))
    }

    async fn head(&self) -> Result<Head, StoreError> {
        let head: Result<Head, StoreError> = remote!(self, log => log.head());
        Ok(self.known.read(head?))
    }

    async fn chain_after(&self, position: i64, limit: usize) -> Result<Vec<ChainLink>, StoreError> {
        remote!(self, log => log.chain_after(position, limit))
    }

    async fn request(&self, key: &[u8; 32]) -> Result<Option<RecordedRequest>, StoreError> {
        let key = *key;
        remote!(self, log => log.request(&key))
    }

    async fn claim_owner(&self, claim: &[u8]) -> Result<Option<Uuid>, StoreError> {
        let claim = claim.to_vec();
        remote!(self, log => log.claim_owner(&claim))
    }

    async fn subject_keys(&self, subjects: &[Uuid]) -> Result<Vec<SubjectKey>, StoreError> {
        let subjects = subjects.to_vec();
        remote!(self, log => log.subject_keys(&subjects))
    }

    fn appended(&self) -> watch::Receiver<Head> {
        self.known.watch()
    }

    fn hint(&self, position: i64) {
        self.known.raise(position);
    }
}

pub struct RemoteCredentials {
    inner: Arc<dyn Credentials>,
    link: Link,
}

impl RemoteCredentials {
    pub fn new(servers: &Servers, link: Link) -> Self {
        let inner = servers.log.clone();
        Self { inner, link }
    }
}

#[async_trait]
impl Credentials for RemoteCredentials {
    async fn credential(
        &self,
        kind: CredentialKind,
        id: &str,
    ) -> Result<Option<Credential>, StoreError> {
        let id = id.to_owned();
        remote!(self, store => store.credential(kind, &id))
    }

    async fn credentials_of(
        &self,
        kind: CredentialKind,
        subject: Uuid,
    ) -> Result<Vec<Credential>, StoreError> {
        remote!(self, store => store.credentials_of(kind, subject))
    }

    async fn change(&self, changes: Vec<CredentialChange>) -> Result<(), StoreError> {
        remote!(self, store => store.change(changes))
    }

    async fn take(&self, kind: CredentialKind, id: &str) -> Result<Option<Credential>, StoreError> {
        let id = id.to_owned();
        remote!(self, store => store.take(kind, &id))
    }

    async fn replace_verifier(
        &self,
        kind: CredentialKind,
        id: &str,
        old: &[u8],
        new: &[u8],
    ) -> Result<bool, StoreError> {
        let (id, old, new) = (id.to_owned(), old.to_vec(), new.to_vec());
        remote!(self, store => store.replace_verifier(kind, &id, &old, &new))
    }

    async fn touch(
        &self,
        kind: CredentialKind,
        id: &str,
        used_at: Timestamp,
    ) -> Result<(), StoreError> {
        let id = id.to_owned();
        remote!(self, store => store.touch(kind, &id, used_at))
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        remote!(self, store => store.sweep(now))
    }
}

pub struct RemoteTracks {
    inner: Arc<dyn TrackStore>,
    link: Link,
}

impl RemoteTracks {
    pub fn new(servers: &Servers, link: Link) -> Self {
        let inner = servers.tracks.clone();
        Self { inner, link }
    }
}

#[async_trait]
impl TrackStore for RemoteTracks {
    async fn store(
        &self,
        flight: Uuid,
        batch_id: Uuid,
        digest: [u8; 32],
        received_at: Timestamp,
        samples: Vec<Sample>,
    ) -> Result<Stored, TrackError> {
        let tracks = self.inner.clone();
        let stored = async move {
            tracks
                .store(flight, batch_id, digest, received_at, samples)
                .await
        };
        self.link
            .call(stored)
            .await
            .map_err(TrackError::Unavailable)?
    }

    async fn samples(
        &self,
        flight: Uuid,
        after: Option<i32>,
        limit: usize,
    ) -> Result<Vec<Sample>, StoreError> {
        remote!(self, tracks => tracks.samples(flight, after, limit))
    }

    async fn extents(&self, flights: &[Uuid]) -> Result<HashMap<Uuid, Extent>, StoreError> {
        let flights = flights.to_vec();
        remote!(self, tracks => tracks.extents(&flights))
    }

    async fn store_log(&self, flight: Uuid, lines: Vec<LogLine>) -> Result<usize, StoreError> {
        remote!(self, tracks => tracks.store_log(flight, lines))
    }

    async fn log(
        &self,
        flight: Uuid,
        after: Option<i32>,
        limit: usize,
    ) -> Result<Vec<LogLine>, StoreError> {
        remote!(self, tracks => tracks.log(flight, after, limit))
    }

    async fn with_logs(&self, flights: &[Uuid]) -> Result<HashSet<Uuid>, StoreError> {
        let flights = flights.to_vec();
        remote!(self, tracks => tracks.with_logs(&flights))
    }

    async fn unpacked(&self) -> Result<Vec<Uuid>, StoreError> {
        remote!(self, tracks => tracks.unpacked())
    }

    async fn pack(&self, flight: Uuid) -> Result<bool, StoreError> {
        remote!(self, tracks => tracks.pack(flight))
    }
}
