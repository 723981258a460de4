//! Credentials, with something that somebody else does just before they change or are taken.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use albatross::ports::credentials::{Credential, CredentialChange, CredentialKind, Credentials};
use albatross::ports::event_store::StoreError;
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

type Meanwhile = Pin<Box<dyn Future<Output = ()> + Send>>;

pub struct WatchedCredentials {
    inner: Arc<dyn Credentials>,
    meanwhile: Mutex<Option<Meanwhile>>,
    before_take: Mutex<Option<Meanwhile>>,
    /// No last use can be written down.
    pub full: AtomicBool,
}

impl WatchedCredentials {
    pub fn over(inner: Arc<dyn Credentials>) -> Self {
        Self {
            inner,
            meanwhile: Mutex::default(),
            before_take: Mutex::default(),
            full: AtomicBool::new(false),
        }
    }

    pub fn before_the_next_change(&self, meanwhile: impl Future<Output = ()> + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::pin(meanwhile));
    }

    /// The same, just before something is taken, such as a link that is used up.
    pub fn before_the_next_take(&self, meanwhile: impl Future<Output = ()> + Send + 'static) {
        *self.before_take.lock().unwrap() = Some(Box::pin(meanwhile));
    }

    /// Whether there was a change since.
    pub fn was_changed(&self) -> bool {
        self.meanwhile.lock().unwrap().is_none()
    }
}

#[async_trait]
impl Credentials for WatchedCredentials {
    async fn credential(
        &self,
        kind: CredentialKind,
        id: &str,
    ) -> Result<Option<Credential>, StoreError> {
        self.inner.credential(kind, id).await
    }

    async fn credentials_of(
        &self,
        kind: CredentialKind,
        subject: Uuid,
    ) -> Result<Vec<Credential>, StoreError> {
        self.inner.credentials_of(kind, subject).await
    }

    async fn change(&self, changes: Vec<CredentialChange>) -> Result<(), StoreError> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        self.inner.change(changes).await
    }

    async fn take(&self, kind: CredentialKind, id: &str) -> Result<Option<Credential>, StoreError> {
        let meanwhile = self.before_take.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        self.inner.take(kind, id).await
    }

    async fn replace_verifier(
        &self,
        kind: CredentialKind,
        id: &str,
        old: &[u8],
        new: &[u8],
    ) -> Result<bool, StoreError> {
        self.inner.replace_verifier(kind, id, old, new).await
    }

    async fn touch(
        &self,
        kind: CredentialKind,
        id: &str,
        used_at: Timestamp,
    ) -> Result<(), StoreError> {
        match self.full.load(Ordering::Relaxed) {
            true => Err("the disk is full".into()),
            false => self.inner.touch(kind, id, used_at).await,
        }
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.inner.sweep(now).await
    }
}
