//! One airline put together from its configuration.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use prometheus_client::registry::Registry;
use secrecy::ExposeSecret;

use crate::adapters::memory::{MemoryCache, MemoryWakeUps};
use crate::adapters::rabbitmq::RabbitFeed;
use crate::adapters::redis::Redis;
use crate::adapters::system::{SystemClock, SystemEntropy};
use crate::adapters::{self, Stores};
use crate::application::airline::Airline;
use crate::application::passwords::Passwords;
use crate::application::shared::Parts;
use crate::config::{self, Database, Servers, Tenant};
use crate::domain::ids::TenantId;
use crate::ports::cache::Cache;
use crate::ports::event_bus::{Feed, WakeUps};
use crate::ports::supervisor::Supervisor;

/// How long it may go unheard, without Redis, that another process took a key back.
const UNHEARD: Duration = Duration::from_secs(1);

/// What an airline's process reaches of the outside world.
pub struct Backends {
    pub stores: Stores,
    pub cache: Arc<dyn Cache>,
    pub wake_ups: Arc<dyn WakeUps>,
    /// Where every event is published, if anywhere.
    pub feed: Option<Arc<dyn Feed>>,
    /// Watches over the airline's background tasks.
    pub supervisor: Supervisor,
    /// Keeps the connection for as long as the process lives.
    redis: Option<Redis>,
    /// The feed, for its metrics.
    rabbitmq: Option<Arc<RabbitFeed>>,
}

impl Backends {
    /// Storage alone; cache and wake-ups within this process.
    pub fn local(stores: Stores) -> Self {
        Self {
            stores,
            cache: Arc::new(MemoryCache::new()),
            wake_ups: Arc::new(MemoryWakeUps::new()),
            feed: None,
            supervisor: Supervisor::new(Arc::new(SystemEntropy)),
            redis: None,
            rabbitmq: None,
        }
    }

    /// What the configuration names.
    pub async fn open(database: &Database, servers: &Servers) -> anyhow::Result<Self> {
        let alone = Self {
            cache: Arc::new(MemoryCache::with_longest_life(UNHEARD)),
            ..Self::local(stores(database).await?)
        };
        let mut backends = alone.sharing(&servers.redis)?;
        if let Some(url) = &servers.amqp_url {
            let feed = RabbitFeed::new(url.expose_secret());
            let feed = feed.map_err(|error| anyhow::anyhow!("AMQP_URL: {error}"))?;
            let feed = Arc::new(feed);
            backends.feed = Some(feed.clone());
            backends.rabbitmq = Some(feed);
        }
        Ok(backends)
    }

    /// The same with what other processes hear, if there is a Redis.
    pub fn sharing(mut self, named: &config::Redis) -> anyhow::Result<Self> {
        if let Some(url) = &named.redis_url {
            let entropy = Arc::new(SystemEntropy);
            let (url, prefix) = (url.expose_secret(), &named.redis_prefix);
            let redis = Redis::open(url, prefix, entropy, &self.supervisor)
                .map_err(|error| anyhow::anyhow!("REDIS_URL: {error}"))?;
            self.cache = redis.cache.clone();
            self.wake_ups = redis.wake_ups.clone();
            self.redis = Some(redis);
        }
        Ok(self)
    }

    /// Returns once Redis answers, if there is one.
    pub async fn connected(&self) {
        if let Some(redis) = &self.redis {
            redis.connected().await;
        }
    }

    pub fn register_metrics(&self, registry: &mut Registry) {
        self.supervisor.register_metrics(registry);
        if let Some(redis) = &self.redis {
            redis.register_metrics(registry);
        }
        if let Some(feed) = &self.rabbitmq {
            feed.register_metrics(registry);
        }
    }
}

/// The storage alone.
pub async fn stores(database: &Database) -> anyhow::Result<Stores> {
    Ok(adapters::open(database.database_url.expose_secret()).await?)
}

/// The services of one airline over these backends.
pub async fn airline(
    tenant: &Tenant,
    backends: &Backends,
    passwords: Arc<Passwords>,
) -> anyhow::Result<Arc<Airline>> {
    let stores = &backends.stores;
    let parts = Parts {
        tenant: TenantId(tenant.tenant_id),
        name: tenant.tenant.clone(),
        public_url: tenant.public_url.clone(),
        events: stores.events.clone(),
        credentials: stores.credentials.clone(),
        read_model: stores.read_model.clone(),
        tracks: stores.tracks.clone(),
        storage: stores.storage.clone(),
        erasures: stores.erasures.clone(),
        cache: backends.cache.clone(),
        wake_ups: backends.wake_ups.clone(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        tenant_key: tenant.tenant_key.bytes(),
        pepper: tenant.pepper.bytes(),
        passwords,
    };
    let airline = Arc::new(Airline::new(parts, stores.schema_version));
    let prepared = airline.prepare().await;
    prepared.context("the tables of the read model cannot be made ready")?;
    Ok(airline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_hears_nobody_believes_nothing_for_longer_than_a_second() {
        let database = Database {
            database_url: "memory:".into(),
        };
        let servers = Servers {
            amqp_url: None,
            redis: config::Redis {
                redis_url: None,
                redis_prefix: String::new(),
            },
        };
        let backends = Backends::open(&database, &servers).await.unwrap();
        let minute = Duration::from_secs(60);
        backends.cache.fill("key", "open".into(), 1, minute).await;
        assert!(backends.cache.get("key").await.is_some());
        tokio::time::advance(UNHEARD).await;
        assert_eq!(backends.cache.get("key").await, None);
    }
}
