//! How the projections do, for Prometheus.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::application::projections::lane::Reached;

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
    /// Not told, but remembered for when the checkpoint cannot be read.
    position: Family<LaneLabel, Gauge>,
    behind: Family<LaneLabel, Gauge>,
    stopped: Family<LaneLabel, Gauge>,
    waiting: Family<LaneLabel, Gauge<f64, AtomicU64>>,
    visible: Family<LaneLabel, Histogram>,
}

impl Default for ProjectionMetrics {
    fn default() -> Self {
        Self {
            position: Family::default(),
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

    /// Notes how far a lane has come, and whether it stands before an event that it cannot project. Events up to
    /// `replayed` were visible before.
    pub fn note(
        &self,
        lane: &'static str,
        reached: &Reached,
        stopped: bool,
        replayed: i64,
        now: Timestamp,
    ) {
        let label = LaneLabel { lane };
        self.stopped.get_or_create(&label).set(i64::from(stopped));
        self.note_lag(lane, reached, now);
        let histogram = self.visible.get_or_create(&label);
        let visible = reached.visible.iter();
        for (_, at) in visible.filter(|(position, _)| *position > replayed) {
            histogram.observe(age(now, *at));
        }
    }

    /// Notes how far a lane has come that could not be advanced: what it stands before is not known.
    pub fn note_lag(&self, lane: &'static str, reached: &Reached, now: Timestamp) {
        let label = LaneLabel { lane };
        let waiting = reached.waiting_since.map_or(0.0, |at| age(now, at));
        self.position.get_or_create(&label).set(reached.position);
        self.behind.get_or_create(&label).set(reached.behind);
        self.waiting.get_or_create(&label).set(waiting);
    }

    /// Up to where the lane had come when it was noted last.
    pub fn position(&self, lane: &'static str) -> Option<i64> {
        let position = self.position.get(&LaneLabel { lane });
        position.map(|position| position.get())
    }
}

fn age(now: Timestamp, at: Timestamp) -> f64 {
    now.duration_since(at).as_secs_f64().max(0.0)
}
