//! How the projections do, for Prometheus.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::application::projections::lane::{Advance, Reached};

/// Seconds; the promise is 0.05 for 99 of 100.
const BUCKETS: [f64; 11] = [
    0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabel {
    lane: &'static str,
}

#[derive(Clone)]
pub struct ProjectionMetrics {
    behind: Family<LaneLabel, Gauge>,
    stopped: Family<LaneLabel, Gauge>,
    waiting: Family<LaneLabel, Gauge<f64, AtomicU64>>,
    visible: Family<LaneLabel, Histogram>,
}

impl Default for ProjectionMetrics {
    fn default() -> Self {
        Self {
            behind: Family::default(),
            stopped: Family::default(),
            waiting: Family::default(),
            visible: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
        }
    }
}

impl ProjectionMetrics {
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "albatross_projection_behind",
            "Events in the log that the lane has not projected yet",
            self.behind.clone(),
        );
        registry.register(
            "albatross_projection_stopped",
            "1 while the lane stands before an event that it cannot project",
            self.stopped.clone(),
        );
        registry.register_with_unit(
            "albatross_projection_waiting",
            "Age of the oldest event that the lane has not projected yet; 0 when there is none",
            Unit::Seconds,
            self.waiting.clone(),
        );
        registry.register_with_unit(
            "albatross_projection_visible",
            "Time from the recording of an event until queries show it",
            Unit::Seconds,
            self.visible.clone(),
        );
    }

    /// Notes what an attempt to advance came to. Events up to `replayed` were visible before.
    pub fn note(&self, lane: &'static str, advance: &Advance, replayed: i64, now: Timestamp) {
        let (reached, stopped) = match advance {
            Advance::Held | Advance::Restarted | Advance::Unbuilt => return,
            Advance::UpToDate(reached) | Advance::Moved(reached) => (reached, false),
            Advance::Stopped { reached, .. } => (reached, true),
        };
        let label = LaneLabel { lane };
        let age = |at: Timestamp| now.duration_since(at).as_secs_f64().max(0.0);
        let Reached {
            behind,
            waiting_since,
            visible,
            ..
        } = reached;
        let waiting = waiting_since.map_or(0.0, age);
        self.stopped.get_or_create(&label).set(i64::from(stopped));
        self.behind.get_or_create(&label).set(*behind);
        self.waiting.get_or_create(&label).set(waiting);
        let histogram = self.visible.get_or_create(&label);
        for (_, at) in visible.iter().filter(|(position, _)| *position > replayed) {
            histogram.observe(age(*at));
        }
    }
}
