//! The kinds of objects that the operator applies. What is not listed here cannot be applied: nothing but copies of Secrets is
//! applied that would be neither watched nor pruned.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    LimitRange, Namespace, ResourceQuota, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Resource;
use kube::api::ApiResource;
use serde::Serialize;

use crate::context::http_route::HttpRoute;

/// A kind that can be applied.
pub trait Applicable: Resource<DynamicType = ()> + Serialize {}

/// Has a cache of its own, and goes with its tenant.
impl Applicable for Namespace {}
/// Is watched, and pruned, in the operator's namespace only. The others are copies, which are looked at once in a while: one that
/// is not wanted any more stays unused until its namespace goes, since asking for it would cost each tenant a request.
impl Applicable for Secret {}

macro_rules! child_kinds {
    ($($kind:ty),+ $(,)?) => {
        $(impl Applicable for $kind {})+

        /// Every kind of object that a tenant's namespace gets, Secrets aside: each is watched, and pruned.
        pub fn child_kinds() -> Vec<ApiResource> {
            vec![$(ApiResource::erase::<$kind>(&())),+]
        }
    };
}

child_kinds![
    Deployment,
    HorizontalPodAutoscaler,
    HttpRoute,
    Ingress,
    Job,
    LimitRange,
    NetworkPolicy,
    PodDisruptionBudget,
    ResourceQuota,
    RoleBinding,
    Service,
    ServiceAccount,
];
