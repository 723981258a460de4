//! A bounded cache in this process: alone where there is one process, else the first tier before a shared one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use moka::Expiry;
use moka::future::Cache as Entries;
use moka::ops::compute::{CompResult, Op};
use moka::policy::EvictionPolicy;

use crate::ports::cache::Cache;

const MAX_BYTES: u64 = 4 * 1024 * 1024;
const MAX_INVALIDATIONS: usize = 1_024;
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3_600);

/// Forgets the least recently used beyond 4 MiB. A stale fill loses however long it was on its way.
pub struct MemoryCache {
    entries: Entries<String, Entry>,
    invalidations: Mutex<Invalidations>,
    longest: Duration,
}

#[derive(Clone)]
struct Entry {
    value: Bytes,
    as_of: i64,
    time_to_live: Duration,
    /// The same by the clock of the async runtime, which simulations move; the map's own only frees memory.
    end: tokio::time::Instant,
}

impl MemoryCache {
    pub fn new() -> Self {
        Self::with_longest_life(LONGEST_LIFE)
    }

    /// No entry lives longer than `longest`, whatever its fill says.
    pub fn with_longest_life(longest: Duration) -> Self {
        Self {
            entries: Entries::builder()
                .max_capacity(MAX_BYTES)
                .weigher(|key: &String, entry: &Entry| {
                    u32::try_from(key.len() + entry.value.len()).unwrap_or(u32::MAX)
                })
                .eviction_policy(EvictionPolicy::lru())
                .expire_after(OwnTimeToLive)
                .build(),
            invalidations: Mutex::default(),
            longest,
        }
    }

    /// Whether the value was accepted: neither the key nor what is remembered for it is from a later position.
    pub async fn offer(&self, key: &str, value: Bytes, as_of: i64, time_to_live: Duration) -> bool {
        let time_to_live = time_to_live.min(self.longest);
        let entry = Entry {
            value,
            as_of,
            time_to_live,
            end: tokio::time::Instant::now() + time_to_live,
        };
        let result = self
            .entries
            .entry_by_ref(key)
            .and_compute_with(async |old| {
                let newer = old.is_some_and(|old| old.value().as_of > as_of);
                if newer || self.invalidations().is_later(key, as_of) {
                    Op::Nop
                } else {
                    Op::Put(entry)
                }
            })
            .await;
        matches!(
            result,
            CompResult::Inserted(_) | CompResult::ReplacedWith(_)
        )
    }

    fn invalidations(&self) -> MutexGuard<'_, Invalidations> {
        self.invalidations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryCache {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &str) -> Option<Bytes> {
        let entry = self.entries.get(key).await?;
        (tokio::time::Instant::now() < entry.end).then_some(entry.value)
    }

    async fn fill(&self, key: &str, value: Bytes, as_of: i64, time_to_live: Duration) {
        self.offer(key, value, as_of, time_to_live).await;
    }

    /// Under the same lock of the key as a fill: one that was checked before comes to an end before.
    async fn invalidate(&self, key: &str, position: i64) {
        self.entries
            .entry_by_ref(key)
            .and_compute_with(async |_| {
                if self.invalidations().note(key, position) {
                    Op::Remove
                } else {
                    Op::Nop
                }
            })
            .await;
    }
}

/// The latest invalidations by key. For a key that it had to drop, the latest dropped position stands in.
#[derive(Default)]
struct Invalidations {
    by_key: HashMap<String, i64>,
    order: VecDeque<String>,
    dropped: i64,
}

impl Invalidations {
    fn is_later(&self, key: &str, as_of: i64) -> bool {
        self.by_key.get(key).copied().unwrap_or(self.dropped) > as_of
    }

    /// False when a later one is known already, so that there is nothing to forget.
    fn note(&mut self, key: &str, position: i64) -> bool {
        if let Some(known) = self.by_key.get_mut(key) {
            let news = *known < position;
            *known = position.max(*known);
            return news;
        }
        if self.order.len() == MAX_INVALIDATIONS
            && let Some(oldest) = self.order.pop_front()
            && let Some(position) = self.by_key.remove(&oldest)
        {
            self.dropped = self.dropped.max(position);
        }
        self.order.push_back(key.to_owned());
        self.by_key.insert(key.to_owned(), position);
        true
    }
}

struct OwnTimeToLive;

impl Expiry<String, Entry> for OwnTimeToLive {
    fn expire_after_create(&self, _: &String, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.time_to_live)
    }

    fn expire_after_update(
        &self,
        _: &String,
        entry: &Entry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.time_to_live)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::{MAX_INVALIDATIONS, MemoryCache};
    use crate::ports::cache::Cache;

    const HOUR: Duration = Duration::from_secs(3_600);
    const VALUE: Bytes = Bytes::from_static(b"value");

    #[tokio::test]
    async fn a_stale_fill_loses_even_after_its_invalidation_was_dropped() {
        let cache = MemoryCache::new();
        cache.invalidate("key", 7).await;
        for other in 0..MAX_INVALIDATIONS {
            cache.invalidate(&format!("other-{other}"), 8).await;
        }
        assert!(!cache.offer("key", VALUE, 6, HOUR).await);
        assert!(cache.offer("key", VALUE, 8, HOUR).await);
    }

    #[tokio::test]
    async fn an_invalidation_that_comes_again_forgets_nothing() {
        let cache = MemoryCache::new();
        cache.invalidate("key", 7).await;
        cache.fill("key", VALUE, 7, HOUR).await;
        cache.invalidate("key", 7).await;
        assert_eq!(cache.get("key").await, Some(VALUE));
    }

    #[tokio::test]
    async fn no_entry_outlives_the_longest_life() {
        let cache = MemoryCache::with_longest_life(Duration::ZERO);
        cache.fill("key", VALUE, 1, HOUR).await;
        assert_eq!(cache.get("key").await, None);
    }

    #[tokio::test]
    async fn memory_stays_bounded() {
        let cache = MemoryCache::new();
        let megabyte = Bytes::from(vec![0; 1024 * 1024]);
        for key in 0..20 {
            cache
                .fill(&key.to_string(), megabyte.clone(), 1, HOUR)
                .await;
        }
        cache.entries.run_pending_tasks().await;
        assert!(cache.entries.weighted_size() <= super::MAX_BYTES);
    }
}
