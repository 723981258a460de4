//! Changes as they become visible, for whoever may see them; resumable from a position.

pub mod notice;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::unfold;
use futures::{Stream, StreamExt};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::application::auth::revocations::Watch;
use crate::application::changes::notice::{Change, Notice, Pireps};
use crate::application::error::ServiceError;
use crate::application::identity::Identity;
use crate::application::projections::lane::Lane;
use crate::application::shared::Shared;
use crate::ports::event_store::{Head, StoreError};

/// Whoever is slower than this reads the log instead.
const WAITING: usize = 256;
/// Whoever was away for longer than this many events begins anew.
const MOST_MISSED: i64 = 10_000;
const PAGE: usize = 500;
const SWEEP: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_secs(1);
/// What takes longer hangs on a server that is gone without a word.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Changes {
    shared: Arc<Shared>,
    sender: broadcast::Sender<Told>,
}

#[derive(Clone, Debug)]
enum Told {
    Change(Arc<Change>),
    /// What this log holds up to here was told to nobody: whoever listens already reads it.
    Untold(Head),
}

impl Changes {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            sender: broadcast::Sender::new(WAITING),
        }
    }

    /// Tells subscribers what the log gains, as soon as queries show it, until it is cancelled.
    pub async fn run(&self, cancel: &CancellationToken) {
        let mut appended = self.shared.events.appended();
        let mut told: Option<Head> = None;
        loop {
            appended.mark_unchanged();
            let tell = timeout(PATIENCE, self.tell(&mut told)).await;
            let wait = match tell.unwrap_or_else(|silence| Err(StoreError::from(silence).into())) {
                Ok(()) => SWEEP,
                Err(error) => {
                    tracing::warn!(%error, "the stream of changes waits");
                    RETRY
                }
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
                _ = appended.changed() => {}
            }
        }
    }

    /// What changes from now on, or since `resume` (epoch and position of the last notice), until the caller
    /// is not any more who they were: whoever comes back has what they may do now.
    pub async fn subscribe(
        &self,
        identity: Identity,
        resume: Option<(Uuid, i64)>,
    ) -> Result<impl Stream<Item = Notice> + Send + use<>, ServiceError> {
        let watch = Watch::begin(self.shared.clone(), identity.clone()).await?;
        // Before the head is read: what is appended later is certain to be received.
        let receiver = self.sender.subscribe();
        let head = self.shared.events.head().await?;
        let known = resume.filter(|(epoch, position)| {
            let missed = head.position.checked_sub(*position);
            *epoch == head.epoch && missed.is_some_and(|it| (0..=MOST_MISSED).contains(&it))
        });
        let subscription = Subscription {
            shared: self.shared.clone(),
            identity,
            receiver,
            reset: resume.is_some() && known.is_none(),
            head,
            seen: known.map_or(head.position, |(_, position)| position),
            backlog: VecDeque::new(),
        };
        let notices = unfold(subscription, |mut subscription| async {
            let notice = subscription.next().await?;
            Some((notice, subscription))
        });
        Ok(notices.take_until(watch.ended()))
    }

    async fn tell(&self, told: &mut Option<Head>) -> Result<(), ServiceError> {
        // Read before subscribers are counted: nobody who comes later misses what follows.
        let head = self.shared.events.head().await?;
        let from = match told {
            Some(told) if told.epoch == head.epoch && self.sender.receiver_count() > 0 => {
                told.position
            }
            _ => {
                self.send(Told::Untold(head));
                head.position
            }
        };
        let mut position = from;
        while position < head.position {
            let page = page(&self.shared, head.epoch, position, head.position).await?;
            position = page.until;
            for change in page.changes {
                self.send(Told::Change(Arc::new(change)));
            }
            *told = Some(Head { position, ..head });
        }
        *told = Some(head);
        Ok(())
    }

    fn send(&self, told: Told) {
        // Without a subscriber there is nobody to tell.
        let _ = self.sender.send(told);
    }
}

struct Subscription {
    shared: Arc<Shared>,
    identity: Identity,
    receiver: broadcast::Receiver<Told>,
    /// Said first: what the caller knows is void.
    reset: bool,
    /// The end of the log when it began.
    head: Head,
    /// Everything up to here has been told.
    seen: i64,
    backlog: VecDeque<Arc<Change>>,
}

impl Subscription {
    async fn next(&mut self) -> Option<Notice> {
        loop {
            if std::mem::take(&mut self.reset) {
                return Some(Notice::Reset);
            }
            let change = match self.next_change().await {
                Ok(change) => change?,
                Err(error) => {
                    tracing::warn!(%error, "a stream of changes ends");
                    return None;
                }
            };
            if change.concerns(&self.identity) {
                return Some(Notice::Changed(change.changed.clone()));
            }
        }
    }

    /// None at the end.
    async fn next_change(&mut self) -> Result<Option<Arc<Change>>, ServiceError> {
        loop {
            if let Some(change) = self.backlog.pop_front() {
                return Ok(Some(change));
            }
            if self.seen < self.head.position {
                let head = self.head;
                let page = page(&self.shared, head.epoch, self.seen, head.position).await?;
                self.seen = page.until;
                self.backlog.extend(page.changes.into_iter().map(Arc::new));
                continue;
            }
            match self.receiver.recv().await {
                Ok(Told::Change(change)) if change.changed.position <= self.seen => {}
                Ok(Told::Change(change)) => {
                    self.seen = change.changed.position;
                    return Ok(Some(change));
                }
                Ok(Told::Untold(head)) if head.epoch == self.head.epoch => self.head = head,
                // The log was restored: whoever comes back begins anew.
                Ok(Told::Untold(_)) => return Ok(None),
                // They are gone; read them from the log instead.
                Err(RecvError::Lagged(_)) => self.head = self.shared.events.head().await?,
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }
}

struct ChangePage {
    changes: Vec<Change>,
    until: i64,
}

/// The changes after `from`, at most a page and never beyond `head`.
async fn page(
    shared: &Shared,
    epoch: Uuid,
    from: i64,
    head: i64,
) -> Result<ChangePage, ServiceError> {
    let mut recorded = shared.events.read_after(from, PAGE).await?;
    recorded.retain(|event| event.position <= head);
    let until = recorded.last().map_or(head, |event| event.position);
    for lane in Lane::ALL {
        let own = recorded.iter().rfind(|event| lane.reads(event.kind));
        if let Some(last) = own {
            shown(shared, lane, last.position).await?;
        }
    }
    // A lane says what it cannot read, and stops; who listens for changes is told of the others.
    let readable = shared.reader.decode_readable(&recorded).await?;
    let pireps = Pireps::of(shared, &readable).await?;
    let changes = readable.iter();
    let changes = changes.filter_map(|envelope| Change::of(&pireps, epoch, envelope));
    Ok(ChangePage {
        changes: changes.collect(),
        until,
    })
}

/// Waits until queries show what the lane has of an event, unless it stands before one that cannot be read: that
/// silences nobody. A lane that only waits for its storage is waited for, or subscribers would miss what it shows later.
async fn shown(shared: &Shared, lane: Lane, position: i64) -> Result<(), ServiceError> {
    loop {
        match shared.projections.wait_for(&[lane], position).await {
            Err(ServiceError::NotYetVisible) => {}
            settled => return settled,
        }
        if shared.projections.is_stopped(lane).await? {
            return Ok(());
        }
    }
}
