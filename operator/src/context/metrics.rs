//! What is counted, for /metrics.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The operator's metrics; clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    writes: Family<WriteLabels, Counter>,
    reconciles: Family<ReconcileLabels, Counter>,
    durations: Family<KindLabels, Histogram>,
    waiting: Family<KindLabels, Gauge>,
    waits: Family<KindLabels, Histogram>,
    external: Family<ExternalLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    verb: String,
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    kind: String,
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ExternalLabels {
    system: String,
    outcome: String,
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("albatross_operator");
        let durations: Family<KindLabels, Histogram> =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 4.0, 8)));
        let waits: Family<KindLabels, Histogram> =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 4.0, 10)));
        let metrics = Self {
            writes: Family::default(),
            reconciles: Family::default(),
            external: Family::default(),
            durations,
            waiting: Family::default(),
            waits,
            registry: Arc::default(),
        };
        registry.register(
            "kubernetes_writes",
            "Requests that write to Kubernetes",
            metrics.writes.clone(),
        );
        registry.register(
            "reconciles",
            "Reconciliations by outcome",
            metrics.reconciles.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "Time that one reconciliation takes",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register(
            "reconciles_waiting",
            "Objects that something happened to and that nobody has looked at since",
            metrics.waiting.clone(),
        );
        registry.register_with_unit(
            "reconcile_wait",
            "Time from what happened to an object to its reconciliation",
            Unit::Seconds,
            metrics.waits.clone(),
        );
        registry.register(
            "external_calls",
            "Provisioning of external systems and calls to runtimes, by outcome",
            metrics.external.clone(),
        );
        *metrics
            .registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = registry;
        metrics
    }

    /// Adds what is counted only when somebody asks.
    pub fn add(&self, collector: impl Collector) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(collector));
    }

    pub fn written(&self, verb: &str, kind: &str) {
        let labels = WriteLabels {
            verb: verb.to_owned(),
            kind: kind.to_owned(),
        };
        self.writes.get_or_create(&labels).inc();
    }

    pub fn reconciled(&self, kind: &str, outcome: &str, seconds: f64) {
        let kind = kind.to_owned();
        let labels = ReconcileLabels {
            kind: kind.clone(),
            outcome: outcome.to_owned(),
        };
        self.reconciles.get_or_create(&labels).inc();
        self.durations
            .get_or_create(&KindLabels { kind })
            .observe(seconds);
    }

    /// So many objects of this kind wait now.
    pub fn waiting(&self, kind: &str, count: usize) {
        let kind = kind.to_owned();
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.waiting.get_or_create(&KindLabels { kind }).set(count);
    }

    /// One of them has waited for so long.
    pub fn waited(&self, kind: &str, seconds: f64) {
        let kind = kind.to_owned();
        self.waits
            .get_or_create(&KindLabels { kind })
            .observe(seconds);
    }

    pub fn called(&self, system: &str, succeeded: bool) {
        let outcome = if succeeded { "success" } else { "failure" };
        let labels = ExternalLabels {
            system: system.to_owned(),
            outcome: outcome.to_owned(),
        };
        self.external.get_or_create(&labels).inc();
    }

    /// All metrics in OpenMetrics text.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut buffer = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        text::encode(&mut buffer, &registry)?;
        Ok(buffer)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
