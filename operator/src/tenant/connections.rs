//! How many database connections a tenant may hold.

use albatross_crds::TenantSpec;

/// Connections that one pod may hold.
const PER_POD: i32 = 12;
/// Connections of the migration Job.
pub const OF_MIGRATION: i32 = 3;

/// Of as many pods as there may be at once, and one more of each kind while they are replaced.
pub fn connections_of(spec: &TenantSpec) -> i32 {
    let scaled = spec.api.autoscaling.as_ref();
    let api = scaled.and_then(|scaled| scaled.max_replicas);
    let worker = spec.worker.as_ref().map_or(0, |worker| worker.replicas);
    let pods = |replicas: i32| if replicas > 0 { replicas + 1 } else { 0 };
    (pods(api.unwrap_or(spec.api.replicas)) + pods(worker)) * PER_POD
}
