//! What this process remembers of its own doing, so that it need not do it again. Losing it costs work, nothing else.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use albatross_crds::tenant::DeletionPolicy;
use jiff::Timestamp;

use crate::context::record::TenantRecord;
use crate::context::runtime::{Answer, RuntimeError};

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
