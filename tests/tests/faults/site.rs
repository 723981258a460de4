//! The airline that faults happen to: each replica reaches the servers through proxies of its own.

use std::sync::Arc;
use std::time::Duration;

use albatross::adapters::rabbitmq::RabbitFeed;
use albatross::adapters::redis::Redis;
use albatross::adapters::system::SystemClock;
use albatross::adapters::{Stores, migrate, open};
use albatross::ports::supervisor::Supervisor;
use albatross_tests::proxy::{Mode, Proxy};
use albatross_tests::random::Random;
use albatross_tests::replica::{Outside, Pilot, Replica};
use albatross_tests::servers::{Database, RedisUser, VirtualHost, servers};
use albatross_tests::wait::recovered;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// Of one test.
pub struct Site {
    pub database: Database,
    pub host: VirtualHost,
    pub redis: RedisUser,
}

/// A replica behind its proxies.
pub struct Behind {
    pub replica: Replica,
    pub stores: Stores,
    pub postgres: Proxy,
    pub rabbitmq: Proxy,
    pub redis: Proxy,
    _connection: Redis,
    _running: DropGuard,
}

/// What becomes of a server, as one replica sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Is(Mode),
    /// It has closed all connections, and told nobody; new ones pass.
    HalfOpen,
}

pub const AWAY: Fault = Fault::Is(Mode::Refuse);
pub const PARTITIONED: Fault = Fault::Is(Mode::Stall);
pub const UNANSWERED: Fault = Fault::Is(Mode::Mute);
pub const SLOW: Fault = Fault::Is(Mode::Slow(Duration::from_millis(30)));

impl Fault {
    pub fn begin(self, proxy: &Proxy) {
        match self {
            Self::Is(mode) => proxy.set(mode),
            Self::HalfOpen => proxy.forget(),
        }
    }
}

impl Site {
    /// On the servers that all tests share.
    pub async fn new() -> Self {
        let servers = servers().await;
        Self::of(
            servers.database().await,
            servers.virtual_host().await,
            servers.redis_user().await,
        )
        .await
    }

    pub async fn of(database: Database, host: VirtualHost, redis: RedisUser) -> Self {
        migrate(&database.url).await.unwrap();
        Self {
            database,
            host,
            redis,
        }
    }

    pub async fn replica(&self) -> Behind {
        self.replica_with(|_| {}).await
    }

    /// With a storage of the test's own before the real one.
    pub async fn replica_with(&self, change: impl FnOnce(&mut Stores)) -> Behind {
        let [postgres, rabbitmq, redis] = [&self.database.url, &self.host.url, &self.redis.url];
        let proxies = (
            Proxy::before(postgres).await,
            Proxy::before(rabbitmq).await,
            Proxy::before(redis).await,
        );
        let mut stores = open(&proxies.0.url(postgres)).await.unwrap();
        change(&mut stores);
        let feed = RabbitFeed::new(&proxies.1.url(rabbitmq)).unwrap();
        let url = proxies.2.url(redis);
        let supervisor = Supervisor::new(Arc::new(Random));
        let connection =
            Redis::open(&url, &self.redis.prefix, Arc::new(Random), &supervisor).unwrap();
        connection.connected().await;
        let outside = Outside {
            stores: stores.clone(),
            cache: connection.cache.clone(),
            wake_ups: connection.wake_ups.clone(),
            feed: Some(Arc::new(feed)),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(Random),
        };
        let stop = CancellationToken::new();
        let replica = Replica::start(outside, &stop).await.unwrap();
        Behind {
            replica,
            stores,
            postgres: proxies.0,
            rabbitmq: proxies.1,
            redis: proxies.2,
            _connection: connection,
            _running: stop.drop_guard(),
        }
    }

    /// The storage, past every proxy.
    pub async fn stores(&self) -> Stores {
        open(&self.database.url).await.unwrap()
    }
}

impl Behind {
    /// Files this many flights one after the other, each until it is acknowledged.
    pub async fn file(&self, pilot: &Pilot, count: usize) -> Vec<Uuid> {
        let mut flights = Vec::new();
        for _ in 0..count {
            let id = Uuid::new_v4();
            recovered("a flight is filed", async || {
                self.replica.file(pilot, id).await.is_done()
            })
            .await;
            flights.push(id);
        }
        flights
    }
}
