//! Redis goes away: requests are answered from the storage, and a revoked key is closed within a second or its time to live.

use std::sync::Arc;
use std::time::{Duration, Instant};

use albatross::application::changes::notice::Notice;
use albatross::application::error::ServiceError;
use albatross::ports::credentials::{Credential, CredentialChange, CredentialKind, Credentials};
use albatross::ports::event_store::StoreError;
use albatross_tests::proxy::Mode;
use albatross_tests::replica::Pilot;
use albatross_tests::servers::{PrivateServer, connect_to_redis, servers};
use albatross_tests::wait::{recovered, within};
use async_trait::async_trait;
use futures::StreamExt;
use jiff::Timestamp;
use redis::AsyncCommands;
use rstest::rstest;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::site::*;

const SECOND: Duration = Duration::from_secs(1);

/// Whether the key opens anything; Redis must never be a reason not to know.
async fn opens(behind: &Behind, pilot: &Pilot) -> bool {
    match behind.replica.airline.auth.by_key(&pilot.key).await {
        Ok(_) => true,
        Err(ServiceError::Unauthenticated) => false,
        Err(error) => panic!("a key could not be checked: {error}"),
    }
}

/// From a second after the revocation on, no question that is asked is answered with yes.
async fn closes_within_a_second(behind: &Behind, pilot: &Pilot, revoked: Instant) {
    recovered("the key is closed", async || {
        let asked = Instant::now();
        let open = opens(behind, pilot).await;
        assert!(
            !open || asked < revoked + SECOND,
            "open after {:?}",
            revoked.elapsed()
        );
        !open && asked > revoked + SECOND
    })
    .await;
}

#[rstest]
#[case::works(Fault::Is(Mode::Pass))]
#[case::away(AWAY)]
#[case::partitioned(PARTITIONED)]
#[case::half_open(Fault::HalfOpen)]
#[case::slow(SLOW)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_one_replica_revokes_is_closed_on_the_other(#[case] fault: Fault) {
    let site = Site::new().await;
    let (one, other) = (site.replica().await, site.replica().await);
    let pilot = one.replica.pilot("amelia").await.unwrap();
    assert!(opens(&one, &pilot).await && opens(&other, &pilot).await);
    fault.begin(&other.redis);
    assert!(opens(&other, &pilot).await, "from the storage, if need be");
    one.replica.revoke(&pilot).await.unwrap();
    assert!(!opens(&one, &pilot).await, "at once where it was revoked");
    let told = redis_is_told(&site, &pilot).await;
    closes_within_a_second(&other, &pilot, told).await;
    other.redis.set(Mode::Pass);
    assert!(!opens(&other, &pilot).await);
}

#[rstest]
#[case::away(AWAY)]
#[case::partitioned(PARTITIONED)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_that_redis_missed_is_told_later_and_bounded_by_the_time_to_live(
    #[case] fault: Fault,
) {
    let site = Site::new().await;
    let (one, other) = (site.replica().await, site.replica().await);
    let [told, bounded] = ["told", "bounded"];
    let told = one.replica.pilot(told).await.unwrap();
    let bounded = one.replica.pilot(bounded).await.unwrap();
    for pilot in [&told, &bounded] {
        recovered("Redis knows the key", async || {
            assert!(opens(&other, pilot).await);
            milliseconds_left(&site, pilot).await > 0
        })
        .await;
    }
    fault.begin(&one.redis);
    one.replica.revoke(&told).await.unwrap();
    one.replica.revoke(&bounded).await.unwrap();
    assert!(!opens(&one, &told).await && !opens(&one, &bounded).await);

    // Nobody tells of this one before its time is over: here that time is made to pass.
    let left = milliseconds_left(&site, &bounded).await;
    assert!((0..=60_000).contains(&left), "{left} ms");
    let key = stored(&site, &bounded);
    let _: bool = redis_admin().await.pexpire(key, 1).await.unwrap();
    closes_within_a_second(&other, &bounded, Instant::now() + SECOND).await;

    one.redis.set(Mode::Pass);
    recovered("the other replica hears of it", async || {
        !opens(&other, &told).await
    })
    .await;
}

/// Where the replicas share what they know of the key.
fn stored(site: &Site, pilot: &Pilot) -> String {
    let (prefix, id) = (&site.redis.prefix, pilot.key_id.as_str());
    format!("{prefix}cache:api-key:{id}")
}

/// None is left of what has gone, and -1 of what stays for ever.
async fn milliseconds_left(site: &Site, pilot: &Pilot) -> i64 {
    let left = redis_admin().await.pttl(stored(site, pilot)).await;
    match left.unwrap() {
        -2 => 0,
        left => left,
    }
}

/// When Redis has been told of the revocation, which came last: before that was answered, or later if Redis did not
/// answer in time.
async fn redis_is_told(site: &Site, pilot: &Pilot) -> Instant {
    let revoked = site.stores().await.events.head().await.unwrap().position;
    let (mut server, key) = (redis_admin().await, stored(site, pilot));
    recovered("Redis is told of the revocation", async || {
        let entry: Option<String> = server.get(&key).await.unwrap();
        // `t<position>:` for what is invalid, `v<position>:…` for what was read since, or before.
        let position = entry.as_ref().and_then(|it| it[1..].split_once(':'));
        position.is_some_and(|(position, _)| position.parse::<i64>().unwrap() >= revoked)
    })
    .await;
    Instant::now()
}

async fn redis_admin() -> redis::aio::MultiplexedConnection {
    connect_to_redis(&servers().await.redis_url).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_that_is_killed_and_started_again_is_missed_by_nobody() {
    let server = PrivateServer::redis().await;
    let shared = servers().await;
    let (database, host) = (shared.database().await, shared.virtual_host().await);
    let site = Site::of(database, host, server.redis_user().await).await;
    let (one, other) = (site.replica().await, site.replica().await);
    let pilot = one.replica.pilot("amelia").await.unwrap();
    let staying = one.replica.pilot("bob").await.unwrap();
    assert!(opens(&other, &pilot).await);
    server.kill();
    assert!(opens(&other, &staying).await && opens(&one, &staying).await);
    one.file(&staying, 5).await;
    one.replica.revoke(&pilot).await.unwrap();
    closes_within_a_second(&other, &pilot, Instant::now()).await;
    tokio::task::block_in_place(|| server.restart());
    // Hints work again: what one replica writes is told on the other long before its sweep.
    let changes = &other.replica.airline.changes;
    let stream = changes.subscribe(staying.identity.clone(), None).await;
    let mut stream = Box::pin(stream.unwrap());
    recovered(
        "both are connected, and one hears of the other",
        async || {
            one.file(&staying, 1).await;
            matches!(futures::poll!(stream.next()), std::task::Poll::Ready(_))
        },
    )
    .await;
    let flight = one.file(&staying, 1).await[0];
    within("the change of the last flight", async {
        while !matches!(stream.next().await, Some(Notice::Changed(it)) if it.id == flight) {}
    })
    .await;
    assert!(!opens(&other, &pilot).await && !opens(&one, &pilot).await);
}

/// A replica reads a key, is held up, and would fill the cache long after the key was revoked.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stale_fill_does_not_open_a_revoked_key_again() {
    let site = Site::new().await;
    let gate = Arc::new(Gate {
        read: Semaphore::new(0),
        open: Semaphore::new(0),
    });
    let one = site.replica().await;
    let held = site
        .replica_with(|stores| {
            stores.credentials = Arc::new(Gated {
                inner: stores.credentials.clone(),
                gate: gate.clone(),
            });
        })
        .await;
    let pilot = one.replica.pilot("amelia").await.unwrap();
    let asked = opens(&held, &pilot);
    let revoked = async {
        within("the stale read", gate.read.acquire())
            .await
            .unwrap()
            .forget();
        one.replica.revoke(&pilot).await.unwrap();
        gate.open.add_permits(1_000_000);
    };
    let (was_open, ()) = tokio::join!(asked, revoked);
    assert!(was_open, "asked before the revocation");
    assert!(!opens(&one, &pilot).await, "the stale fill was shared");
    // Kept it may be until the invalidation is heard, and a second at most.
    let told = redis_is_told(&site, &pilot).await;
    closes_within_a_second(&held, &pilot, told).await;
}

struct Gate {
    /// A permit for each key that was read.
    read: Semaphore,
    /// A permit for each key that may be told.
    open: Semaphore,
}

struct Gated {
    inner: Arc<dyn Credentials>,
    gate: Arc<Gate>,
}

#[async_trait]
impl Credentials for Gated {
    async fn credential(
        &self,
        kind: CredentialKind,
        id: &str,
    ) -> Result<Option<Credential>, StoreError> {
        let found = self.inner.credential(kind, id).await;
        if kind == CredentialKind::Principal {
            self.gate.read.add_permits(1);
            self.gate.open.acquire().await?.forget();
        }
        found
    }

    async fn credentials_of(
        &self,
        kind: CredentialKind,
        subject: Uuid,
    ) -> Result<Vec<Credential>, StoreError> {
        self.inner.credentials_of(kind, subject).await
    }

    async fn change(&self, changes: Vec<CredentialChange>) -> Result<(), StoreError> {
        self.inner.change(changes).await
    }

    async fn take(&self, kind: CredentialKind, id: &str) -> Result<Option<Credential>, StoreError> {
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
        self.inner.touch(kind, id, used_at).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.inner.sweep(now).await
    }
}
