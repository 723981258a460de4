//! What this process remembers of its own doing, so that it need not do it again. Losing it costs work, nothing else.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use albatross_crds::tenant::DeletionPolicy;
use jiff::{SignedDuration, Timestamp};

use crate::context::record::TenantRecord;
use crate::context::runtime::{Answer, RuntimeError};

/// At most so long until nodes know that a pod serves.
const NEWS: SignedDuration = SignedDuration::from_secs(10);

/// Per tenant, by name.
#[derive(Default)]
pub struct Memory {
    tenants: Mutex<HashMap<String, TenantMemory>>,
}

/// What is remembered of one tenant.
#[derive(Default, Clone)]
pub struct TenantMemory {
    /// By external system.
    pub provisioned: HashMap<&'static str, Provisioned>,
    /// Whose deletion (a UID) has seen to what was outside the cluster, and by which policy.
    pub settled: Option<(String, DeletionPolicy)>,
    /// Ids of the API keys in the state that the next pod must know before it is ready, while no pod serves.
    pub awaited_keys: Arc<BTreeSet<String>>,
    /// What the runtime last said.
    pub answer: Option<Arc<Result<Answer, RuntimeError>>>,
    pub serving: Serving,
    /// When its status was last written.
    pub reported: Option<Timestamp>,
    /// Digest of each Secret copy, and when it was last seen to be so.
    pub copies: HashMap<String, (String, Timestamp)>,
    /// The record as last written; caches may lag behind it.
    pub record: Option<Arc<TenantRecord>>,
}

/// What was seen to be there on a server.
#[derive(Clone, PartialEq, Eq)]
pub struct Provisioned {
    /// Digest of all that it depends on.
    pub what: String,
    /// When it was looked at: it is again in the next period.
    pub period: i64,
}

/// Whether pods serve, as this process saw it happen.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// They did when it first looked, or it has not looked yet.
    #[default]
    Unseen,
    No,
    Since(Timestamp),
}

impl Serving {
    pub fn now(self, serves: bool, now: Timestamp) -> Self {
        match (serves, self) {
            (false, _) => Self::No,
            (true, Self::No) => Self::Since(now),
            (true, before) => before,
        }
    }

    /// Of pods that serve: whether they began this very moment.
    pub fn is_news(self, now: Timestamp) -> bool {
        match self {
            Self::Unseen => false,
            Self::No => true,
            Self::Since(since) => now.duration_since(since).abs() < NEWS,
        }
    }
}

impl Memory {
    pub fn of(&self, tenant: &str) -> TenantMemory {
        self.lock().get(tenant).cloned().unwrap_or_default()
    }

    /// The record alone, for who looks at those of many.
    pub fn record(&self, tenant: &str) -> Option<Arc<TenantRecord>> {
        self.lock().get(tenant)?.record.clone()
    }

    pub fn update<T>(&self, tenant: &str, change: impl FnOnce(&mut TenantMemory) -> T) -> T {
        change(self.lock().entry(tenant.to_owned()).or_default())
    }

    pub fn forget(&self, tenant: &str) {
        self.lock().remove(tenant);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, TenantMemory>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_pods_serve_is_news_for_a_moment_after_they_did_not() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let began = Serving::Unseen.now(false, at(100)).now(true, at(200));
        let goes_on = began.now(true, at(209));
        assert!(goes_on.is_news(at(209)) && !goes_on.is_news(at(210)));
        let again = goes_on.now(false, at(300)).now(true, at(301));
        assert!(again.is_news(at(301)) && again.is_news(at(300)));
        // They have begun since it was noted that they do not.
        assert!(goes_on.now(false, at(300)).is_news(at(300)));
        // Nodes have long heard of what served before this process began.
        assert!(!Serving::Unseen.now(true, at(200)).is_news(at(200)));
    }
}
