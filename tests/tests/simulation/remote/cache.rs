//! The cache that replicas share.

use std::sync::Arc;
use std::time::Duration;

use albatross::adapters::memory::MemoryCache;
use albatross::ports::cache::Cache;
use async_trait::async_trait;
use bytes::Bytes;

use crate::remote::{Sabotage, Servers};
use crate::wire::Link;

/// Away, it is like an empty one.
pub struct RemoteCache {
    servers: Arc<Servers>,
    link: Link,
}

impl RemoteCache {
    pub fn new(servers: Arc<Servers>, link: Link) -> Self {
        Self { servers, link }
    }

    /// None when Redis is away.
    async fn ask<T, F>(
        &self,
        work: impl FnOnce(Arc<MemoryCache>) -> F + Send + 'static,
    ) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send,
    {
        let servers = self.servers.clone();
        // Of the process that runs when the call arrives, not when it is made.
        let asked = async move { work(servers.redis().cache).await };
        self.link.call(asked).await.ok()
    }
}

#[async_trait]
impl Cache for RemoteCache {
    async fn get(&self, key: &str) -> Option<Bytes> {
        let key = key.to_owned();
        self.ask(|cache| async move { cache.get(&key).await })
            .await?
    }

    async fn fill(&self, key: &str, value: Bytes, as_of: i64, time_to_live: Duration) {
        let key = key.to_owned();
        self.ask(move |cache| async move { cache.fill(&key, value, as_of, time_to_live).await })
            .await;
    }

    async fn invalidate(&self, key: &str, position: i64) {
        if self.servers.sabotage != Some(Sabotage::DeafCache) {
            let key = key.to_owned();
            self.ask(move |cache| async move { cache.invalidate(&key, position).await })
                .await;
        }
    }
}
