//! Broker and Redis are away for long while pilots go on: every call is answered all along, and the feed is whole
//! afterwards. Seconds long, or minutes with `ALBATROSS_SOAK=1`.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use albatross_tests::feed::{assert_in_order, bind_own_queue, read_own_queue};
use albatross_tests::proxy::{Mode, Proxy};
use albatross_tests::replica::{Answer, Pilot, Replica};
use albatross_tests::servers::{PrivateServer, servers};
use albatross_tests::wait::{RECOVERY, recovered, until_in, within};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::feed::*;
use crate::site::*;

/// Clients of each replica.
const CLIENTS: usize = 2;
/// Between two flights of a client.
const PAUSE: Duration = Duration::from_millis(25);
/// Calls that are answered in every outage, at least.
const CALLS: usize = 100;

/// How long each outage lasts.
fn lasts() -> Duration {
    let soak = env::var("ALBATROSS_SOAK").is_ok_and(|soak| soak == "1");
    Duration::from_secs(if soak { 120 } else { 6 })
}

/// The same proxies of every replica.
type Server = fn(&Behind) -> &Proxy;
const BROKER: Server = |behind| &behind.rabbitmq;
const REDIS: Server = |behind| &behind.redis;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_is_away_for_long_every_call_is_answered_and_the_feed_is_whole() {
    let site = Site::new().await;
    let replicas = [site.replica().await, site.replica().await];
    let pilot = begin(&site, &replicas[0]).await;
    let load = Load::begin(&replicas, &pilot);
    let outages: [(&[Server], Fault); 4] = [
        (&[BROKER], AWAY),
        (&[REDIS], PARTITIONED),
        (&[BROKER, REDIS], PARTITIONED),
        (&[BROKER, REDIS], AWAY),
    ];
    for (number, (servers, fault)) in outages.into_iter().enumerate() {
        let gone = || servers.iter().flat_map(|of| replicas.iter().map(of));
        gone().for_each(|proxy| fault.begin(proxy));
        load.goes_on(lasts()).await;
        let (reached, head) = distance(&replicas[0].stores).await;
        println!("saw: outage {}: {} events wait", number + 1, head - reached);
        let broker_is_away = servers.len() == 2 || number == 0;
        assert!(
            !broker_is_away || reached < head,
            "published through a broker that is away"
        );
        gone().for_each(|proxy| proxy.set(Mode::Pass));
        has_drained(&replicas[0], head).await;
    }
    load.end().await;
    assert_whole(&site, &replicas[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn broker_and_redis_are_down_for_long_and_start_again() {
    let (broker, redis) = (
        PrivateServer::rabbitmq().await,
        PrivateServer::redis().await,
    );
    let (host, user) = (broker.virtual_host().await, redis.redis_user().await);
    let site = Site::of(servers().await.database().await, host, user).await;
    let replicas = [site.replica().await, site.replica().await];
    let pilot = begin(&site, &replicas[0]).await;
    // RabbitMQ 3.10 writes the names of new quorum queues down minutes later, or when it is told to stop.
    tokio::task::block_in_place(|| {
        broker.stop();
        broker.restart();
    });
    let load = Load::begin(&replicas, &pilot);
    load.goes_on(Duration::ZERO).await;
    broker.kill();
    redis.kill();
    tokio::task::block_in_place(|| {
        broker.ended();
        redis.ended();
    });
    load.goes_on(lasts()).await;
    let (reached, head) = distance(&replicas[0].stores).await;
    println!("saw: down: {} events wait", head - reached);
    assert!(reached < head, "published through a broker that is down");
    tokio::task::block_in_place(|| {
        redis.restart();
        broker.restart();
    });
    has_drained(&replicas[0], head).await;
    load.end().await;
    assert_whole(&site, &replicas[0]).await;
}

/// Somebody who flies. Whatever happens is for a consumer, too.
async fn begin(site: &Site, behind: &Behind) -> Pilot {
    bind_own_queue(&site.host.url).await;
    let pilot = behind.replica.pilot("amelia").await.unwrap();
    published(&behind.stores).await;
    pilot
}

/// While the load goes on.
async fn has_drained(behind: &Behind, position: i64) {
    recovered("the backlog has drained", async || {
        distance(&behind.stores).await.0 >= position
    })
    .await;
}

async fn assert_whole(site: &Site, behind: &Behind) {
    published(&behind.stores).await;
    let (_, head) = distance(&behind.stores).await;
    let positions = read_own_queue(&site.host.url, head).await;
    assert_in_order(&positions, 1, head);
    let messages = positions.len();
    println!("saw: {head} events in {messages} messages, in order, none missing");
}

/// Pilots who file, submit and read without end.
struct Load {
    stop: CancellationToken,
    calls: Arc<Calls>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn begin(replicas: &[Behind], pilot: &Pilot) -> Self {
        let (stop, calls) = (CancellationToken::new(), Arc::<Calls>::default());
        let replicas = replicas.iter().flat_map(|it| [&it.replica; CLIENTS]);
        let clients = replicas.map(|replica| {
            let client = Client {
                replica: replica.clone(),
                pilot: pilot.clone(),
                calls: calls.clone(),
            };
            tokio::spawn(client.fly(stop.clone()))
        });
        Self {
            clients: clients.collect(),
            stop,
            calls,
        }
    }

    /// Returns when it has gone on for so long, and calls have been answered in that time.
    async fn goes_on(&self, lasts: Duration) {
        let (end, before) = (Instant::now() + lasts, self.answered());
        until_in(lasts + RECOVERY, "calls are answered", async || {
            Instant::now() >= end && self.answered() >= before + CALLS
        })
        .await;
    }

    fn answered(&self) -> usize {
        let failed = self.clients.iter().any(JoinHandle::is_finished);
        assert!(!failed, "a client was not answered as it must be");
        self.calls.answered.load(Ordering::Relaxed)
    }

    async fn end(self) {
        self.stop.cancel();
        for client in self.clients {
            client.await.unwrap();
        }
        let count = |calls: &AtomicUsize| calls.load(Ordering::Relaxed);
        let (answered, put_off) = (count(&self.calls.answered), count(&self.calls.put_off));
        println!("saw: {answered} calls answered, {put_off} put off");
        assert!(put_off * 100 <= answered, "the API needs broker or Redis");
    }
}

struct Client {
    replica: Replica,
    pilot: Pilot,
    calls: Arc<Calls>,
}

#[derive(Default)]
struct Calls {
    answered: AtomicUsize,
    put_off: AtomicUsize,
}

impl Client {
    async fn fly(self, stop: CancellationToken) {
        let (replica, pilot) = (&self.replica, &self.pilot);
        while !stop.is_cancelled() {
            let id = Uuid::new_v4();
            self.done(|| replica.file(pilot, id)).await;
            self.done(|| replica.submit(pilot, id)).await;
            self.done(|| replica.list(pilot)).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Neither broker nor Redis is a reason to be told to come back later; PostgreSQL may be, on a busy machine.
    async fn done<F: Future<Output = Answer>>(&self, ask: impl Fn() -> F) {
        while !within("an answer", ask()).await.is_done() {
            self.calls.put_off.fetch_add(1, Ordering::Relaxed);
        }
        self.calls.answered.fetch_add(1, Ordering::Relaxed);
    }
}
