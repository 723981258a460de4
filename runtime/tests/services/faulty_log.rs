//! A log that delivers twice, does not say what it did, wakes nobody, cannot be read in one place, has been restored, or lets
//! others go first.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use albatross::ports::event_store::{
    Append, AppendError, Appended, ChainLink, EventStore, Head, RecordedEvent, RecordedRequest,
    StoreError, SubjectKey, Undecodable,
};
use async_trait::async_trait;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

type Meanwhile = Pin<Box<dyn Future<Output = ()> + Send>>;

pub struct FaultyLog {
    pub inner: Arc<dyn EventStore>,
    /// How many events before the wanted one are delivered again.
    pub again: AtomicI64,
    /// The event at this position cannot be read.
    pub poisoned: AtomicI64,
    /// Not even the row of the event at this position can be decoded.
    pub undecodable: AtomicI64,
    /// How many reads are yet to panic.
    pub panics: AtomicI64,
    /// What somebody else does just before the next append.
    pub meanwhile: Mutex<Option<Meanwhile>>,
    /// The same, just after the append was made and before it is told.
    pub after_append: Mutex<Option<Meanwhile>>,
    /// The same, just after it was asked next for a request.
    pub after_request: Mutex<Option<Meanwhile>>,
    /// The same, just before the next stream is read.
    pub before_read: Mutex<Option<Meanwhile>>,
    /// The same, just after it was read.
    pub after_read: Mutex<Option<Meanwhile>>,
    /// The same, just before a part of the log is read.
    pub before_page: Mutex<Option<Meanwhile>>,
    /// What the log claims to be after a restore.
    pub epoch: Mutex<Option<Uuid>>,
    /// What is appended is told to nobody.
    pub mute: AtomicBool,
    /// Nobody is woken by what is appended, as by another process whose wake-ups are lost.
    pub silent: AtomicBool,
    pub never: watch::Sender<Head>,
}

impl FaultyLog {
    pub fn new(inner: Arc<dyn EventStore>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            again: AtomicI64::new(0),
            poisoned: AtomicI64::new(0),
            undecodable: AtomicI64::new(0),
            panics: AtomicI64::new(0),
            meanwhile: Mutex::default(),
            after_append: Mutex::default(),
            after_request: Mutex::default(),
            before_read: Mutex::default(),
            after_read: Mutex::default(),
            before_page: Mutex::default(),
            epoch: Mutex::default(),
            mute: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            never: watch::Sender::default(),
        })
    }

    /// Whoever has asked for this goes away as soon as its append is made.
    pub async fn given_up<T>(&self, asked: impl Future<Output = T>) {
        let (made, is_made) = oneshot::channel();
        let (gone, is_gone) = oneshot::channel::<()>();
        *self.after_append.lock().unwrap() = Some(Box::pin(async move {
            made.send(()).unwrap();
            is_gone.await.unwrap();
        }));
        tokio::select! {
            _ = asked => panic!("it was answered before anybody went away"),
            appended = is_made => appended.unwrap(),
        }
        let _ = gone.send(());
    }
}

#[async_trait]
impl EventStore for FaultyLog {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        pass(&self.meanwhile).await;
        let appended = self.inner.append(append).await?;
        pass(&self.after_append).await;
        match self.mute.load(Ordering::Relaxed) {
            true => Err(AppendError::Unavailable("no answer".into())),
            false => Ok(appended),
        }
    }

    async fn read_stream(
        &self,
        stream_id: Uuid,
        after_version: i32,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        pass(&self.before_read).await;
        let events = self.inner.read_stream(stream_id, after_version).await;
        pass(&self.after_read).await;
        events
    }

    async fn read_after(
        &self,
        position: i64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        assert!(
            self.panics.fetch_sub(1, Ordering::Relaxed) <= 0,
            "a fault of ours"
        );
        pass(&self.before_page).await;
        let again = self.again.load(Ordering::Relaxed).min(position);
        let limit = limit + usize::try_from(again)?;
        let mut events = self.inner.read_after(position - again, limit).await?;
        let undecodable = self.undecodable.load(Ordering::Relaxed);
        match events.iter().position(|it| it.position == undecodable) {
            Some(0) => {
                let told = format!("event at position {undecodable}: its actor is no text");
                return Err(Undecodable(told).into());
            }
            Some(readable) => events.truncate(readable),
            None => {}
        }
        let poisoned = self.poisoned.load(Ordering::Relaxed);
        for event in &mut events {
            if event.position == poisoned {
                event.payload = vec![0xff; 16];
            }
        }
        Ok(events)
    }

    async fn head(&self) -> Result<Head, StoreError> {
        let head = self.inner.head().await?;
        let restored = *self.epoch.lock().unwrap();
        Ok(Head {
            epoch: restored.unwrap_or(head.epoch),
            ..head
        })
    }

    async fn chain_after(&self, position: i64, limit: usize) -> Result<Vec<ChainLink>, StoreError> {
        self.inner.chain_after(position, limit).await
    }

    async fn request(&self, key: &[u8; 32]) -> Result<Option<RecordedRequest>, StoreError> {
        let request = self.inner.request(key).await;
        pass(&self.after_request).await;
        request
    }

    async fn claim_owner(&self, claim: &[u8]) -> Result<Option<Uuid>, StoreError> {
        self.inner.claim_owner(claim).await
    }

    async fn subject_keys(&self, subjects: &[Uuid]) -> Result<Vec<SubjectKey>, StoreError> {
        self.inner.subject_keys(subjects).await
    }

    fn appended(&self) -> watch::Receiver<Head> {
        match self.silent.load(Ordering::Relaxed) {
            true => self.never.subscribe(),
            false => self.inner.appended(),
        }
    }

    fn hint(&self, position: i64) {
        self.inner.hint(position);
    }
}

/// Once.
async fn pass(meanwhile: &Mutex<Option<Meanwhile>>) {
    let meanwhile = meanwhile.lock().unwrap().take();
    if let Some(meanwhile) = meanwhile {
        meanwhile.await;
    }
}
