//! Every object of a tenant, as it is to be: pure, from the plan and the record.

pub mod autoscaler;
pub mod deployment;
pub mod disruption_budget;
pub mod http_route;
pub mod ingress;
pub mod input;
pub mod job;
pub mod limit_range;
pub mod link_key;
pub mod namespace;
pub mod network_policy;
pub mod pod;
pub mod resource_quota;
pub mod role_binding;
pub mod secret;
pub mod service;
pub mod service_account;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    LimitRange, Namespace, ResourceQuota, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::ResourceExt;

use crate::context::handed::HandedUrls;
use crate::context::http_route::HttpRoute;
use crate::names;
use crate::tenant::build::input::Input;

/// All objects of a tenant, in the order in which they are applied.
#[derive(Debug, Clone)]
pub struct ResourceSet {
    pub foundation: Foundation,
    pub migration: Job,
    pub workloads: Workloads,
}

/// What pods need before they start.
#[derive(Debug, Clone)]
pub struct Foundation {
    pub namespace: Namespace,
    pub operator_binding: RoleBinding,
    pub owners_binding: Option<RoleBinding>,
    pub service_account: ServiceAccount,
    pub resource_quota: ResourceQuota,
    pub limit_range: LimitRange,
    pub network_policies: Vec<NetworkPolicy>,
    pub secrets: Secrets,
}

/// Copies of what the record holds.
#[derive(Debug, Clone)]
pub struct Secrets {
    pub api: Secret,
    pub migrate: Secret,
    pub admin_links: Secret,
    pub erased: Option<Secret>,
    pub authorities: Option<Secret>,
    /// In the operator's namespace.
    pub platform_links: Option<Secret>,
}

impl Secrets {
    /// By what whoever has these environments reaches servers.
    pub fn urls(&self) -> HandedUrls {
        let mut urls = HandedUrls::default();
        for secret in [&self.api, &self.migrate] {
            for variable in [names::DATABASE_URL, names::AMQP_URL, names::REDIS_URL] {
                let url = secret.data.as_ref().and_then(|data| data.get(variable));
                let url = url.and_then(|url| String::from_utf8(url.0.clone()).ok());
                if let Some(url) = url {
                    urls.insert(&secret.name_any(), variable, url);
                }
            }
        }
        urls
    }
}

/// What serves the airline.
#[derive(Debug, Clone)]
pub struct Workloads {
    pub service: Service,
    pub starting: Service,
    pub disruption_budget: PodDisruptionBudget,
    pub api: Deployment,
    pub worker: Option<Deployment>,
    pub autoscaler: Option<HorizontalPodAutoscaler>,
    pub ingress: Option<Ingress>,
    pub http_route: Option<HttpRoute>,
}

/// Builds all of it.
pub fn build(input: &Input<'_>) -> ResourceSet {
    let secrets = Secrets {
        api: secret::api(input),
        migrate: secret::migrate(input),
        admin_links: secret::admin_links(input),
        erased: secret::erased(input),
        authorities: secret::authorities(input),
        platform_links: secret::platform_links(input),
    };
    let workloads = Workloads {
        service: service::api(input),
        starting: service::starting(input),
        disruption_budget: disruption_budget::api(input),
        api: deployment::api(input, &secrets.api),
        worker: deployment::worker(input, &secrets.api),
        autoscaler: autoscaler::api(input),
        ingress: ingress::api(input),
        http_route: http_route::api(input),
    };
    let migration = job::migrate(input, &secrets.migrate);
    ResourceSet {
        foundation: Foundation {
            namespace: namespace::namespace(input),
            operator_binding: role_binding::operator(input),
            owners_binding: role_binding::owners(input),
            service_account: service_account::runtime(input),
            resource_quota: resource_quota::quota(input),
            limit_range: limit_range::limits(input),
            network_policies: network_policy::all(input),
            secrets,
        },
        migration,
        workloads,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tenant::apply::Applicable;
    use crate::tenant::fixtures;

    #[test]
    fn no_object_carries_what_a_gitops_tool_would_claim() {
        let plan = fixtures::plan(json!({}));
        let record = fixtures::record(&plan);
        let set = Applicable::new(build(&fixtures::input(&plan, &record)));
        for object in set.all() {
            let labels = object.object.metadata.labels.as_ref().unwrap();
            assert!(!labels.contains_key("app.kubernetes.io/instance"));
            assert!(object.object.metadata.owner_references.is_none());
        }
    }
}
