//! What every reconciliation may use.

pub mod backoff;
pub mod caches;
pub mod child;
pub mod contention;
pub mod events;
pub mod failure;
pub mod handed;
pub mod holdings;
pub mod http_route;
pub mod key_ring;
pub mod kinds;
pub mod ledger;
pub mod live;
pub mod locks;
pub mod memory;
pub mod metrics;
pub mod object;
pub mod queue;
pub mod record;
pub mod runtime;
pub mod servers;
pub mod strangers;
pub mod system;
pub mod tenant_states;
pub mod token;
pub mod triggers;
pub mod upgrade;
pub mod writer;

use std::sync::Arc;

use crate::config::OperatorConfig;

/// Shared by all reconciliations of one operator.
pub struct Context {
    pub client: kube::Client,
    /// The operator's own namespace.
    pub namespace: String,
    pub config: OperatorConfig,
    pub clock: Arc<dyn system::Clock>,
    pub entropy: Arc<dyn system::Entropy>,
    pub caches: caches::Caches,
    pub writer: writer::Writer,
    pub servers: servers::ServerAccess,
    pub runtime: runtime::RuntimeClient,
    pub memory: memory::Memory,
    /// Held by who takes what only one can have, a turn in the rollout, a host, a server's last room, until it is
    /// written down.
    pub turns: tokio::sync::Mutex<()>,
    /// By namespace. Held by an ApiKey that begins, until the operator has its right there, and by one that ends, from
    /// asking who else needs it until it is gone.
    pub client_bindings: locks::Locks,
    /// By namespace and name of a Secret that an ApiKey is to have: held from looking at it until it is written, so that of
    /// two that want it one sees the other's.
    pub client_secrets: locks::Locks,
    pub backoff: backoff::Backoff,
    pub triggers: Arc<triggers::Triggers>,
    pub events: events::Events,
    pub metrics: metrics::Metrics,
}
