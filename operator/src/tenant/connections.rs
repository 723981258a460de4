//! How many database connections a tenant may hold.

use albatross_crds::validation::ValidatedTenant;

/// Connections that one pod may hold.
const PER_POD: i32 = 12;
/// Connections of the migration Job.
pub const OF_MIGRATION: i32 = 3;

/// Of all pods at once, and one more of each kind while they are replaced.
pub fn connections_of(tenant: &ValidatedTenant) -> i32 {
    let pods = |replicas: i32| if replicas > 0 { replicas + 1 } else { 0 };
    (pods(tenant.api.replicas) + pods(tenant.worker.replicas)) * PER_POD
}
