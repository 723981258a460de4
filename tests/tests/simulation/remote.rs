//! The ports of a replica, each answered by a host of its own: memory adapters behind the simulated network.

mod cache;
mod read_model;
mod storage;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use albatross::adapters::Stores;
use albatross::adapters::memory::{self, MemoryCache, MemoryLog, MemoryReadModel, MemoryTracks};
use albatross::ports::event_bus::{Feed, FeedMessage, Hint, WakeUps};
use albatross::ports::event_store::StoreError;
use async_trait::async_trait;
use tokio::sync::broadcast;
use uuid::Uuid;

pub use self::cache::RemoteCache;
use self::read_model::RemoteReadModel;
use self::storage::{RemoteCredentials, RemoteLog, RemoteTracks};
use crate::wire::{Link, Wire};

pub const POSTGRES: &str = "postgres";
pub const REDIS: &str = "redis";
pub const RABBITMQ: &str = "rabbitmq";

/// What lies on the servers, and what goes with their processes.
pub struct Servers {
    pub wire: Arc<Wire>,
    pub log: Arc<MemoryLog>,
    pub read_model: Arc<MemoryReadModel>,
    pub tracks: Arc<MemoryTracks>,
    pub queue: Mutex<Vec<FeedMessage>>,
    redis: Mutex<Redis>,
    pub sabotage: Option<Sabotage>,
}

/// Without a disk: every start begins empty.
#[derive(Clone)]
struct Redis {
    cache: Arc<MemoryCache>,
    /// Who said it, and what.
    hints: broadcast::Sender<(Uuid, Hint)>,
}

/// A promise that is broken on purpose, so that the simulation is seen to notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The broker confirms a message that it does not keep.
    LostMessage,
    /// The storage acknowledges an append that it does not make.
    LostAppend,
    /// Nobody is told what the caches are to forget.
    DeafCache,
}

impl Servers {
    pub fn new(sabotage: Option<Sabotage>) -> Arc<Self> {
        Arc::new(Self {
            wire: Arc::default(),
            log: Arc::new(MemoryLog::new(Uuid::from_u128(7))),
            read_model: Arc::new(MemoryReadModel::new()),
            tracks: Arc::new(MemoryTracks::new()),
            queue: Mutex::default(),
            redis: Mutex::new(Redis::start()),
            sabotage,
        })
    }

    pub fn restart_redis(&self) {
        *self.redis.lock().unwrap() = Redis::start();
    }

    fn redis(&self) -> Redis {
        self.redis.lock().unwrap().clone()
    }

    fn link(&self, host: &'static str, patience: Duration) -> Link {
        Link {
            wire: self.wire.clone(),
            host,
            patience,
        }
    }

    /// The storage as a replica opens it.
    pub async fn stores(self: &Arc<Self>) -> Result<Stores, StoreError> {
        let link = self.link(POSTGRES, Duration::from_secs(5));
        let mut stores = memory::open();
        stores.events = Arc::new(RemoteLog::open(self.clone(), link.clone()).await?);
        stores.credentials = Arc::new(RemoteCredentials::new(self, link.clone()));
        stores.read_model = Arc::new(RemoteReadModel::new(self, link.clone()));
        stores.tracks = Arc::new(RemoteTracks::new(self, link));
        Ok(stores)
    }

    pub fn cache(self: &Arc<Self>) -> RemoteCache {
        RemoteCache::new(self.clone(), self.link(REDIS, Duration::from_millis(500)))
    }

    pub fn feed(self: &Arc<Self>) -> RemoteFeed {
        RemoteFeed {
            servers: self.clone(),
            link: self.link(RABBITMQ, Duration::from_secs(5)),
        }
    }

    /// `own` tells a replica's own hints from the others'.
    pub fn wake_ups(self: &Arc<Self>, own: Uuid) -> RemoteWakeUps {
        let wake_ups = RemoteWakeUps {
            servers: self.clone(),
            link: self.link(REDIS, Duration::from_secs(10)),
            own,
            hints: broadcast::Sender::new(1_024),
        };
        tokio::spawn(wake_ups.clone().follow());
        wake_ups
    }
}

impl Redis {
    fn start() -> Self {
        Self {
            cache: Arc::new(MemoryCache::new()),
            hints: broadcast::Sender::new(1_024),
        }
    }
}

/// Publishes in windows, as with confirms.
pub struct RemoteFeed {
    servers: Arc<Servers>,
    link: Link,
}

const WINDOW: usize = 20;
/// What [`Sabotage::LostMessage`] loses.
const LOST: &str = ":40";

#[async_trait]
impl Feed for RemoteFeed {
    async fn publish(&self, messages: Vec<FeedMessage>) -> Result<usize, StoreError> {
        let mut confirmed = 0;
        for window in messages.chunks(WINDOW) {
            let (servers, mut window) = (self.servers.clone(), window.to_vec());
            let count = window.len();
            if servers.sabotage == Some(Sabotage::LostMessage) {
                window.retain(|message| !message.id.ends_with(LOST));
            }
            let stored = async move { servers.queue.lock().unwrap().extend(window) };
            match self.link.call(stored).await {
                Ok(()) => confirmed += count,
                Err(error) if confirmed == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(confirmed)
    }
}

#[derive(Clone)]
pub struct RemoteWakeUps {
    servers: Arc<Servers>,
    link: Link,
    own: Uuid,
    hints: broadcast::Sender<Hint>,
}

impl RemoteWakeUps {
    /// Hears what others say, over one connection after the other.
    async fn follow(self) {
        loop {
            if let Err(error) = self.listen().await {
                let _: StoreError = error;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    async fn listen(&self) -> Result<(), StoreError> {
        let servers = self.servers.clone();
        let mut connection = self.link.open().await?;
        let heard = connection
            .call(|_| async move {
                let hints = servers.redis().hints.subscribe();
                Arc::new(tokio::sync::Mutex::new(hints))
            })
            .await?;
        loop {
            let heard = heard.clone();
            let next = connection.call(|_| async move {
                let mut heard = heard.lock().await;
                // Silence is an answer too: it says that the connection is alive.
                tokio::time::timeout(Duration::from_secs(5), heard.recv()).await
            });
            match next.await? {
                Ok(Ok((from, hint))) if from != self.own => drop(self.hints.send(hint)),
                Ok(Err(broadcast::error::RecvError::Closed)) => return Err("it ended".into()),
                _ => {}
            }
        }
    }
}

#[async_trait]
impl WakeUps for RemoteWakeUps {
    async fn publish(&self, hint: Hint) {
        // Nobody listening is no failure: a hint is for whoever happens to be there.
        let _ = self.hints.send(hint.clone());
        let (this, from) = (self.clone(), self.own);
        tokio::spawn(async move {
            let servers = this.servers.clone();
            let told = async move { drop(servers.redis().hints.send((from, hint))) };
            // Best effort, as the port says.
            drop(this.link.call(told).await);
        });
    }

    fn subscribe(&self) -> broadcast::Receiver<Hint> {
        self.hints.subscribe()
    }
}
