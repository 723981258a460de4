//! What the cache promises, held by the one in memory and by Redis alike.

#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::sync::Arc;
use std::time::Duration;

use albatross::adapters::memory::MemoryCache;
use albatross::adapters::redis::Redis;
use albatross::ports::cache::Cache;
use albatross_tests::proxy::{Mode, Proxy};
use albatross_tests::random::{Random, supervisor};
use albatross_tests::servers::{RedisUser, connect_to_redis, servers};
use albatross_tests::wait::until;
use bytes::Bytes;
use futures::FutureExt;
use rstest::rstest;

const HOUR: Duration = Duration::from_secs(3_600);
const OLD: Bytes = Bytes::from_static(b"old");
const NEW: Bytes = Bytes::from_static(b"new");

/// The same cache as two processes see it; in memory there is one.
struct Processes {
    one: Arc<dyn Cache>,
    other: Arc<dyn Cache>,
    _connections: Vec<Redis>,
}

/// One process fills until both find it: a Redis that takes too long to answer is passed by.
async fn fill(one: &dyn Cache, other: &dyn Cache, value: &Bytes, as_of: i64) {
    until("the value is found by both", async || {
        one.fill("key", value.clone(), as_of, HOUR).await;
        let found = [one.get("key").await, other.get("key").await];
        found.iter().all(|found| found.as_ref() == Some(value))
    })
    .await;
}

async fn memory() -> Processes {
    let cache = Arc::new(MemoryCache::new());
    Processes {
        one: cache.clone(),
        other: cache,
        _connections: Vec::new(),
    }
}

async fn redis() -> Processes {
    let user = servers().await.redis_user().await;
    let (one, other) = (
        connect(&user, &user.url).await,
        connect(&user, &user.url).await,
    );
    Processes {
        one: one.cache.clone(),
        other: other.cache.clone(),
        _connections: vec![one, other],
    }
}

async fn connect(user: &RedisUser, url: &str) -> Redis {
    let redis = Redis::open(url, &user.prefix, Arc::new(Random), &supervisor()).unwrap();
    redis.connected().await;
    redis
}

#[rstest]
#[case::memory(memory())]
#[case::redis(redis())]
#[tokio::test]
async fn what_one_process_fills_every_process_finds(
    #[future(awt)]
    #[case]
    processes: Processes,
) {
    let binary = Bytes::from_static(b"\x00:\xff value");
    assert_eq!(processes.one.get("key").await, None);
    fill(&*processes.one, &*processes.other, &binary, 1).await;
    assert_eq!(processes.other.get("another key").await, None);
}

#[rstest]
#[case::memory(memory())]
#[case::redis(redis())]
#[tokio::test]
async fn an_invalidated_key_is_gone_here_at_once_and_elsewhere_soon(
    #[future(awt)]
    #[case]
    processes: Processes,
) {
    fill(&*processes.one, &*processes.other, &OLD, 1).await;
    processes.one.invalidate("key", 2).await;
    assert_eq!(processes.one.get("key").await, None);
    until("the other process forgets the key", async || {
        processes.other.get("key").await.is_none()
    })
    .await;
}

#[rstest]
#[case::memory(memory())]
#[case::redis(redis())]
#[tokio::test]
async fn a_fill_from_before_the_invalidation_loses_wherever_it_comes_from(
    #[future(awt)]
    #[case]
    processes: Processes,
) {
    processes.one.invalidate("key", 7).await;
    processes.one.fill("key", OLD, 6, HOUR).await;
    assert_eq!(processes.one.get("key").await, None);
    processes.other.fill("key", OLD, 6, HOUR).await;
    assert_eq!(
        processes.one.get("key").await,
        None,
        "the stale fill is shared"
    );
    until("the other process drops its stale fill", async || {
        processes.other.get("key").await.is_none()
    })
    .await;
}

#[rstest]
#[case::memory(memory())]
#[case::redis(redis())]
#[tokio::test]
async fn a_fill_that_has_seen_the_invalidation_is_kept(
    #[future(awt)]
    #[case]
    processes: Processes,
) {
    processes.one.invalidate("key", 7).await;
    fill(&*processes.other, &*processes.one, &NEW, 7).await;
}

#[rstest]
#[case::memory(memory())]
#[case::redis(redis())]
#[tokio::test]
async fn a_late_fill_does_not_replace_a_newer_one(
    #[future(awt)]
    #[case]
    processes: Processes,
) {
    fill(&*processes.one, &*processes.other, &NEW, 9).await;
    processes.one.fill("key", OLD, 8, HOUR).await;
    for process in [&processes.one, &processes.other] {
        until("the newer value is found", async || {
            let found = process.get("key").await;
            assert_ne!(found, Some(OLD));
            found.is_some()
        })
        .await;
    }
}

#[rstest]
#[case::memory(memory())]
#[case::redis(redis())]
#[tokio::test]
async fn a_late_invalidation_does_not_open_the_door_for_stale_fills(
    #[future(awt)]
    #[case]
    processes: Processes,
) {
    processes.one.invalidate("key", 9).await;
    processes.one.invalidate("key", 3).await;
    processes.one.fill("key", OLD, 5, HOUR).await;
    assert_eq!(processes.one.get("key").await, None);
}

#[rstest]
#[case::memory(memory())]
#[case::redis(redis())]
#[tokio::test]
async fn a_value_ends_with_its_time_to_live(
    #[future(awt)]
    #[case]
    processes: Processes,
) {
    processes
        .one
        .fill("key", OLD, 1, Duration::from_millis(50))
        .await;
    until("the value has expired everywhere", async || {
        processes.one.get("key").await.is_none() && processes.other.get("key").await.is_none()
    })
    .await;
}

#[rstest]
#[case::closed(Mode::Refuse)]
#[case::partitioned(Mode::Stall)]
#[tokio::test]
async fn without_redis_the_cache_is_like_an_empty_one_and_recovers_alone(#[case] mode: Mode) {
    let user = servers().await.redis_user().await;
    let proxy = Proxy::before(&user.url).await;
    let through = connect(&user, &proxy.url(&user.url)).await;
    let direct = connect(&user, &user.url).await;
    proxy.set(mode);
    assert_eq!(through.cache.get("key").await, None);
    for _ in 0..100 {
        let found = through.cache.get("key").now_or_never();
        assert_eq!(found, Some(None), "waits for what is known to be away");
    }
    proxy.set(Mode::Pass);
    through.connected().await;
    fill(&*direct.cache, &*through.cache, &OLD, 1).await;
}

#[tokio::test]
async fn an_invalidation_made_without_redis_reaches_the_others_when_it_is_back() {
    let user = servers().await.redis_user().await;
    let proxy = Proxy::before(&user.url).await;
    let through = connect(&user, &proxy.url(&user.url)).await;
    let direct = connect(&user, &user.url).await;
    fill(&*direct.cache, &*through.cache, &OLD, 5).await;
    proxy.set(Mode::Refuse);
    through.cache.invalidate("key", 6).await;
    assert_eq!(through.cache.get("key").await, None);
    proxy.set(Mode::Pass);
    until("the others forget the key", async || {
        direct.cache.get("key").await.is_none()
    })
    .await;
    direct.cache.fill("key", OLD, 5, HOUR).await;
    assert_eq!(through.cache.get("key").await, None);
}

#[tokio::test]
async fn what_this_process_knows_to_be_stale_it_does_not_take_from_redis() {
    let user = servers().await.redis_user().await;
    let (one, other) = (
        connect(&user, &user.url).await,
        connect(&user, &user.url).await,
    );
    one.cache.invalidate("key", 6).await;
    let admin = connect_to_redis(&servers().await.redis_url).await;
    let mut admin = admin.unwrap();
    let stored = format!("{}cache:key", user.prefix);
    let _: () = redis::AsyncCommands::del(&mut admin, stored).await.unwrap();
    other.cache.fill("key", OLD, 5, HOUR).await;
    assert_eq!(one.cache.get("key").await, None, "a stale value came back");
}

#[tokio::test]
async fn the_neighbours_keys_and_channels_are_refused_by_the_server_itself() {
    let (mine, neighbour) = (
        servers().await.redis_user().await,
        servers().await.redis_user().await,
    );
    let theirs = connect(&neighbour, &neighbour.url).await;
    theirs.cache.fill("key", OLD, 1, HOUR).await;

    let mut connection = connect_to_redis(&mine.url).await.unwrap();
    let prefix = &neighbour.prefix;
    for command in [
        format!("GET {prefix}cache:key"),
        format!("SET {prefix}cache:key stolen"),
        format!("PUBLISH {prefix}invalidated 9:key"),
        format!("SUBSCRIBE {prefix}wake-ups"),
        "SCAN 0".to_owned(),
        "KEYS *".to_owned(),
        "FLUSHALL".to_owned(),
        "CONFIG GET *".to_owned(),
        "ACL LIST".to_owned(),
    ] {
        let mut words = command.split(' ');
        let mut request = redis::cmd(words.next().unwrap());
        request.arg(words.collect::<Vec<_>>());
        let answer: redis::RedisResult<redis::Value> = request.query_async(&mut connection).await;
        let refused = redis::ServerErrorKind::NoPerm.into();
        assert!(
            answer.is_err_and(|error| error.kind() == refused),
            "{command} was not refused"
        );
    }
    assert_eq!(theirs.cache.get("key").await, Some(OLD));
}
