//! How the projections do, for Prometheus.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::application::projections::lane::Advance;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabel {
    lane: &'static str,
}

#[derive(Clone, Default)]
pub struct ProjectionMetrics {
    behind: Family<LaneLabel, Gauge>,
    stopped: Family<LaneLabel, Gauge>,
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
    }

    /// Notes what an attempt to advance came to.
    pub fn note(&self, lane: &'static str, advance: &Advance) {
        let label = LaneLabel { lane };
        let behind = match advance {
            Advance::Held => return,
            Advance::Moved { behind } => Some(*behind),
            Advance::UpToDate => Some(0),
            Advance::Stopped { .. } => None,
        };
        self.stopped
            .get_or_create(&label)
            .set(i64::from(behind.is_none()));
        if let Some(behind) = behind {
            self.behind.get_or_create(&label).set(behind);
        }
    }
}
