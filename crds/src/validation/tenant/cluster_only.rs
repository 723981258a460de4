//! What is declared for a cluster and has no meaning elsewhere.

use crate::tenant::{DeletionPolicy, Hibernate, Mode, TenantSpec};

/// The fields that are set and have a meaning on a cluster only, e.g. for a note that they have no effect elsewhere.
pub fn cluster_only_fields(spec: &TenantSpec) -> Vec<&'static str> {
    let exposed = spec.exposure.as_ref().is_some_and(|way| way.none.is_none());
    [
        ("spec.owners", !spec.owners.is_empty()),
        ("spec.api.replicas", spec.api.replicas != 1),
        ("spec.api.autoscaling", spec.api.autoscaling.is_some()),
        ("spec.api.resources", spec.api.resources.is_some()),
        ("spec.worker", spec.worker.is_some()),
        ("spec.exposure", exposed),
        ("spec.placement", spec.placement.is_some()),
        ("spec.quota", spec.quota.is_some()),
        ("spec.bootstrap", spec.bootstrap.is_some()),
        ("spec.version", spec.version.is_some()),
        ("spec.suspend", spec.suspend),
        ("spec.mode", spec.mode != Mode::default()),
        ("spec.hibernate", spec.hibernate != Hibernate::default()),
        (
            "spec.deletionPolicy",
            spec.deletion_policy != DeletionPolicy::default(),
        ),
        ("spec.deletionProtection", spec.deletion_protection),
    ]
    .into_iter()
    .filter_map(|(field, set)| set.then_some(field))
    .collect()
}
