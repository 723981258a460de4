//! From `kubectl apply` to Ready, and on: what a tenant's status says meanwhile, and scaling.

use albatross_crds::Tenant;
use albatross_tests::platform::{Platform, condition};
use albatross_tests::wait::{RECOVERY, until};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::json;
use tokio::time::timeout;

#[tokio::test]
async fn a_declared_tenant_becomes_ready_and_every_status_on_the_way_is_one_that_kstatus_understands()
 {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let mut states = Vec::new();
    let only = WatchParams::default().fields("metadata.name=understood");
    let mut watch = platform.tenants().watch(&only, "0").await.unwrap().boxed();
    platform.declare("understood", json!({})).await;
    // The watch ends with the state that is wanted, or never.
    let whole = timeout(RECOVERY, async {
        while let Some(event) = watch.try_next().await.unwrap() {
            if let WatchEvent::Added(tenant) | WatchEvent::Modified(tenant) = event {
                let is_ready = condition(&tenant, "Ready").is_some_and(|it| it.status == "True");
                states.push(tenant);
                if is_ready {
                    break;
                }
            }
        }
    });
    whole.await.expect("the tenant becomes Ready");

    let spoken: Vec<&Tenant> = states.iter().filter(|it| has_spoken(it)).collect();
    let first = spoken.first().unwrap();
    assert_eq!(states_of(first), ["Unknown", "True", "False"], "{first:?}");
    let reasons = ["Ready", "Reconciling", "Stalled"].map(|kind| condition(first, kind));
    let reasons = reasons.map(|condition| condition.unwrap().reason);
    assert_eq!(reasons, ["Provisioning", "Provisioning", "Reconciling"]);
    assert!(first.status.as_ref().unwrap().tenant_id.is_some());
    for tenant in &spoken {
        let [ready, reconciling, stalled] = states_of(tenant);
        let one_of = [ready == "True", reconciling == "True", stalled == "True"];
        let holding = one_of.iter().filter(|holds| **holds).count();
        assert_eq!(holding, 1, "just one of the three holds: {tenant:?}");
    }
    let last = spoken.last().unwrap().status.clone().unwrap();
    assert_eq!(last.observed_generation, Some(1));
    assert_eq!(last.namespace.as_deref(), Some("albatross-understood"));
    assert_eq!(last.version.as_deref(), Some("0.1.0"));
    assert_eq!(last.resources.len(), 7);
    assert_eq!(last.api.unwrap().ready_replicas, 1);

    platform.remove("understood").await;
    operator.stop().await;
}

fn has_spoken(tenant: &Tenant) -> bool {
    let status = tenant.status.as_ref();
    let observed = status.and_then(|status| status.observed_generation);
    observed.is_some_and(|generation| generation >= 0)
}

/// Ready, Reconciling, Stalled; each must speak about this generation.
fn states_of(tenant: &Tenant) -> [String; 3] {
    ["Ready", "Reconciling", "Stalled"].map(|kind| {
        let condition = condition(tenant, kind).unwrap_or_else(|| panic!("{kind}: {tenant:?}"));
        assert_eq!(condition.observed_generation, tenant.metadata.generation);
        condition.status
    })
}

#[tokio::test]
async fn a_tenant_is_scaled_by_its_scale_subresource() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("scaled", json!({})).await;
    let three = json!({"spec": {"replicas": 3}});
    let scaled = platform
        .tenants()
        .patch_scale("scaled", &PatchParams::default(), &Patch::Merge(&three))
        .await;
    scaled.unwrap();
    platform.ready("scaled").await;
    let deployments: Api<Deployment> = Api::namespaced(platform.client.clone(), "albatross-scaled");
    let deployment = deployments.get("api").await.unwrap();
    assert_eq!(deployment.spec.unwrap().replicas, Some(3));
    until("the scale shows three pods", async || {
        let scale = platform.tenants().get_scale("scaled").await.unwrap();
        scale.status.is_some_and(|status| {
            let selector = status.selector.unwrap_or_default();
            status.replicas == 3 && selector.contains("albatross.aero/tenant=scaled")
        })
    })
    .await;
    platform.remove("scaled").await;
    operator.stop().await;
}

#[tokio::test]
async fn worker_pods_come_and_go_as_they_are_declared() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform
        .airline("worked", json!({"worker": {"replicas": 2}}))
        .await;
    let deployments: Api<Deployment> = Api::namespaced(platform.client.clone(), "albatross-worked");
    let worker = deployments.get("worker").await.unwrap();
    assert_eq!(worker.status.unwrap().available_replicas, Some(2));
    platform
        .change("worked", json!({"worker": {"replicas": 0}}))
        .await;
    platform.ready("worked").await;
    until("the workers are gone", async || {
        deployments.get_opt("worker").await.unwrap().is_none()
    })
    .await;
    platform.remove("worked").await;
    operator.stop().await;
}
