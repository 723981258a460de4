//! The cache that a tenant's processes share, behind a tier in each of them whose entries live a second at most.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::{AsyncCommands, Script};
use tokio::sync::broadcast::error::RecvError;

use crate::adapters::memory::MemoryCache;
use crate::adapters::redis::connection::{Connection, Heard};
use crate::ports::cache::Cache;

/// How long another process's invalidation may go unheard.
const LOCAL_LIFE: Duration = Duration::from_secs(1);
/// Longer than any fill is on its way.
const TOMBSTONE_LIFE: Duration = Duration::from_secs(600);
/// Invalidations that wait for Redis to come back; beyond, a value's own time to live is the backstop.
const MAX_UNSENT: usize = 10_000;

/// An entry is `v<position>:<value>`, a tombstone `t<position>:`. What is from an earlier position loses.
const FILL: &str = r"
local current = redis.call('GET', KEYS[1])
if current and tonumber(string.match(current, '^.(%d+):')) > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], 'v' .. ARGV[1] .. ':' .. ARGV[2], 'PX', ARGV[3])
return 1";
const INVALIDATE: &str = r"
local current = redis.call('GET', KEYS[1])
local position = ARGV[1]
if current then
  local known = string.match(current, '^.(%d+):')
  if tonumber(known) > tonumber(position) then position = known end
end
redis.call('SET', KEYS[1], 't' .. position .. ':', 'PX', ARGV[2])
redis.call('PUBLISH', KEYS[2], ARGV[1] .. ':' .. ARGV[3])
return 1";

/// Where invalidations are told to the other processes, as `<position>:<key>`.
pub fn channel(prefix: &str) -> String {
    format!("{prefix}invalidated")
}

pub struct RedisCache {
    connection: Arc<Connection>,
    local: MemoryCache,
    unsent: Mutex<HashMap<String, i64>>,
    prefix: String,
    channel: String,
    fill: Script,
    invalidate: Script,
}

impl RedisCache {
    pub(super) fn new(connection: Arc<Connection>, prefix: &str) -> Self {
        Self {
            connection,
            local: MemoryCache::with_longest_life(LOCAL_LIFE),
            unsent: Mutex::default(),
            prefix: format!("{prefix}cache:"),
            channel: channel(prefix),
            fill: Script::new(FILL),
            invalidate: Script::new(INVALIDATE),
        }
    }

    /// Hears what others invalidate, and sends what could not be sent; ends with the connection.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut heard = self.connection.listen();
        loop {
            match heard.recv().await {
                Ok(Heard::Connected) => self.send_unsent().await,
                Ok(Heard::Message { channel, payload }) if channel == self.channel => {
                    if let Some((key, position)) = parse_invalidation(&payload) {
                        self.local.invalidate(key, position).await;
                    }
                }
                // What was missed is bounded by the local tier's second.
                Ok(Heard::Message { .. }) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    async fn send_unsent(&self) {
        let unsent = std::mem::take(&mut *self.lock_unsent());
        for (key, position) in unsent {
            self.send(&key, position).await;
        }
    }

    async fn send(&self, key: &str, position: i64) {
        let sent: Option<i64> = self
            .connection
            .ask(|mut connection| async move {
                self.invalidate
                    .key(self.key(key))
                    .key(&self.channel)
                    .arg(position)
                    .arg(millis(TOMBSTONE_LIFE))
                    .arg(key)
                    .invoke_async(&mut connection)
                    .await
            })
            .await;
        if sent.is_none() {
            let mut unsent = self.lock_unsent();
            if unsent.len() < MAX_UNSENT || unsent.contains_key(key) {
                let known = unsent.entry(key.to_owned()).or_insert(position);
                *known = position.max(*known);
            }
        }
    }

    fn lock_unsent(&self) -> std::sync::MutexGuard<'_, HashMap<String, i64>> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

#[async_trait]
impl Cache for RedisCache {
    /// What this process knows to be invalidated is not believed of Redis either.
    async fn get(&self, key: &str) -> Option<Bytes> {
        if let Some(value) = self.local.get(key).await {
            return Some(value);
        }
        let stored: Option<Vec<u8>> = self
            .connection
            .ask(|mut connection| async move { connection.get(self.key(key)).await })
            .await?;
        let (as_of, value) = parse_entry(stored?)?;
        self.local
            .offer(key, value.clone(), as_of, LOCAL_LIFE)
            .await
            .then_some(value)
    }

    async fn fill(&self, key: &str, value: Bytes, as_of: i64, time_to_live: Duration) {
        if !self
            .local
            .offer(key, value.clone(), as_of, time_to_live)
            .await
        {
            return;
        }
        let _: Option<i64> = self
            .connection
            .ask(|mut connection| async move {
                self.fill
                    .key(self.key(key))
                    .arg(as_of)
                    .arg(&value[..])
                    .arg(millis(time_to_live))
                    .invoke_async(&mut connection)
                    .await
            })
            .await;
    }

    async fn invalidate(&self, key: &str, position: i64) {
        self.local.invalidate(key, position).await;
        self.send(key, position).await;
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
}

/// None for a tombstone, and for what is not ours.
fn parse_entry(stored: Vec<u8>) -> Option<(i64, Bytes)> {
    let stored = Bytes::from(stored);
    let colon = stored.iter().position(|byte| *byte == b':')?;
    let position = stored[..colon].strip_prefix(b"v")?;
    let position = std::str::from_utf8(position).ok()?.parse().ok()?;
    Some((position, stored.slice(colon + 1..)))
}

fn parse_invalidation(payload: &[u8]) -> Option<(&str, i64)> {
    let (position, key) = std::str::from_utf8(payload).ok()?.split_once(':')?;
    Some((key, position.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::{parse_entry, parse_invalidation};

    #[rstest]
    #[case(b"v12:a:b", Some((12, Bytes::from_static(b"a:b"))))]
    #[case(b"v0:", Some((0, Bytes::new())))]
    #[case(b"t12:", None)]
    #[case(b"v:x", None)]
    #[case(b"v12", None)]
    #[case(b"", None)]
    #[case(b"v\xff:x", None)]
    fn an_entry_holds_its_position(#[case] stored: &[u8], #[case] entry: Option<(i64, Bytes)>) {
        assert_eq!(parse_entry(stored.to_vec()), entry);
    }

    #[test]
    fn an_invalidation_names_position_and_key() {
        assert_eq!(parse_invalidation(b"7:key:1"), Some(("key:1", 7)));
        assert_eq!(parse_invalidation(b"key"), None);
        assert_eq!(parse_invalidation(b"\xff:key"), None);
    }

    proptest! {
        #[test]
        fn whatever_redis_holds_or_says_is_understood_or_left(stored in any::<Vec<u8>>(), rest in any::<Vec<u8>>()) {
            parse_entry(stored.clone());
            parse_entry([b"v", &stored[..], b":", &rest].concat());
            parse_invalidation(&stored);
            parse_invalidation(&[&stored[..], b":", &rest].concat());
        }

        /// As the scripts write them.
        #[test]
        fn what_was_written_is_what_is_read(position in 0..=i64::MAX, value in any::<Vec<u8>>(), key in any::<String>()) {
            let entry = [format!("v{position}:").as_bytes(), &value].concat();
            prop_assert_eq!(parse_entry(entry), Some((position, Bytes::from(value))));
            let tombstone = format!("t{position}:");
            prop_assert_eq!(parse_entry(tombstone.into_bytes()), None);
            let invalidation = format!("{position}:{key}");
            prop_assert_eq!(parse_invalidation(invalidation.as_bytes()), Some((key.as_str(), position)));
        }
    }
}
