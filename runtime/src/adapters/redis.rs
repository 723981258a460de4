//! Redis: cache and wake-ups of one tenant over one connection, all keys and channels under its prefix.

mod cache;
mod connection;
mod wake_ups;

use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub use self::cache::RedisCache;
pub use self::wake_ups::RedisWakeUps;

use crate::adapters::redis::connection::Connection;
use crate::ports::clock::Entropy;
use crate::ports::event_store::StoreError;
use crate::ports::supervisor::Supervisor;

/// Cache and wake-ups, and what keeps them connected for as long as this lives.
pub struct Redis {
    pub cache: Arc<RedisCache>,
    pub wake_ups: Arc<RedisWakeUps>,
    connection: Arc<Connection>,
    _tasks: [AbortOnDropHandle<()>; 3],
}

impl Redis {
    /// Connects in the background: a Redis that is away is like an empty one, and is tried again. `ssl_ca_certs=…` in the
    /// query names a file of who may have signed its certificate.
    ///
    /// # Errors
    /// When `url` is not a `redis://` or `rediss://` URL.
    pub fn open(
        url: &str,
        prefix: &str,
        entropy: Arc<dyn Entropy>,
        supervisor: &Supervisor,
    ) -> Result<Self, StoreError> {
        let channels = [cache::channel(prefix), wake_ups::channel(prefix)];
        let connection = Arc::new(Connection::new(url, channels.to_vec())?);
        let cache = Arc::new(RedisCache::new(connection.clone(), prefix));
        let wake_ups = Arc::new(RedisWakeUps::new(connection.clone(), prefix, &*entropy));
        let tasks = [
            spawn(supervisor, "redis cache", {
                let cache = cache.clone();
                move || cache.clone().follow()
            }),
            spawn(supervisor, "redis wake-ups", {
                let wake_ups = wake_ups.clone();
                move || wake_ups.clone().follow()
            }),
            spawn(supervisor, "redis connection", {
                let connection = connection.clone();
                move || connection.clone().supervise(entropy.clone())
            }),
        ];
        Ok(Self {
            cache,
            wake_ups,
            connection,
            _tasks: tasks.map(AbortOnDropHandle::new),
        })
    }

    pub fn register_metrics(&self, registry: &mut Registry) {
        self.connection.register_metrics(registry);
    }

    /// Returns once Redis answers.
    pub async fn connected(&self) {
        self.connection.connected().await;
    }
}

/// Runs until it is aborted.
fn spawn<F: Future<Output = ()> + Send>(
    supervisor: &Supervisor,
    task: &'static str,
    begin: impl Fn() -> F + Send + Sync + 'static,
) -> tokio::task::JoinHandle<()> {
    let supervisor = supervisor.clone();
    tokio::spawn(async move {
        let never = CancellationToken::new();
        supervisor.keep(task, &never, begin).await;
    })
}
