//! Who is to be reconciled next. While this replica is not the leader nobody is.

use std::sync::atomic::{AtomicBool, Ordering};

use albatross_crds::{ApiKey, Tenant};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::context::metrics::Metrics;
use crate::context::queue::Queue;

/// Sends tenants and API keys to their controllers, which collapse repeats.
pub struct Triggers {
    leading: AtomicBool,
    pub tenants: Queue<Tenant>,
    pub api_keys: Queue<ApiKey>,
    relisted: Notify,
    gone: Notify,
}

/// What the controllers take from.
#[derive(Debug)]
pub struct Triggered {
    pub tenants: UnboundedReceiver<ObjectRef<Tenant>>,
    pub api_keys: UnboundedReceiver<ObjectRef<ApiKey>>,
}

impl Triggers {
    pub fn new(metrics: &Metrics) -> (Self, Triggered) {
        let (tenants, tenants_triggered) = Queue::new("Tenant", metrics);
        let (api_keys, api_keys_triggered) = Queue::new("ApiKey", metrics);
        let triggers = Self {
            leading: AtomicBool::new(false),
            tenants,
            api_keys,
            relisted: Notify::new(),
            gone: Notify::new(),
        };
        let triggered = Triggered {
            tenants: tenants_triggered,
            api_keys: api_keys_triggered,
        };
        (triggers, triggered)
    }

    /// From now on triggers are passed on.
    pub fn lead(&self) {
        self.leading.store(true, Ordering::SeqCst);
    }

    pub fn tenant(&self, name: &str) {
        if self.leading.load(Ordering::SeqCst) {
            self.tenants.call(ObjectRef::new(name));
        }
    }

    pub fn api_key(&self, namespace: &str, name: &str) {
        if self.leading.load(Ordering::SeqCst) {
            self.api_keys.call(ObjectRef::new(name).within(namespace));
        }
    }

    /// A cache has been filled anew: its watch was interrupted for too long to go on.
    pub fn relisted(&self) {
        if self.leading.load(Ordering::SeqCst) {
            self.relisted.notify_one();
        }
    }

    /// Returns when a cache has been filled anew since it last returned.
    pub async fn any_relisted(&self) {
        self.relisted.notified().await;
    }

    /// Something is gone.
    pub fn gone(&self) {
        self.gone.notify_one();
    }

    /// Returns when something has gone since it last returned.
    pub async fn any_gone(&self) {
        self.gone.notified().await;
    }
}
