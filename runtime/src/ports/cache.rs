//! A cache that a stale fill cannot poison: every value and every invalidation carries a log position.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// Best effort: a cache that is away behaves like an empty one, and says so in its metrics.
#[async_trait]
pub trait Cache: Send + Sync {
    async fn get(&self, key: &str) -> Option<Bytes>;

    /// Remembers `value`, read when the log stood at `as_of`. Ignored when the key was invalidated at a later position.
    async fn fill(&self, key: &str, value: Bytes, as_of: i64, time_to_live: Duration);

    /// Forgets the key everywhere: in this process at once, in every other within a second.
    async fn invalidate(&self, key: &str, position: i64);
}
