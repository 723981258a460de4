//! An autoscaler decides the number of pods, and nothing that the operator does takes it back.

use albatross_tests::platform::{Platform, condition};
use albatross_tests::wait::until;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

struct Scaled<'a> {
    platform: &'a Platform,
    tenant: &'static str,
    deployments: Api<Deployment>,
    autoscalers: Api<HorizontalPodAutoscaler>,
}

impl<'a> Scaled<'a> {
    async fn airline(platform: &'a Platform, tenant: &'static str, api: Value) -> Self {
        platform.airline(tenant, json!({ "api": api })).await;
        let namespace = format!("albatross-{tenant}");
        Self {
            platform,
            tenant,
            deployments: Api::namespaced(platform.client.clone(), &namespace),
            autoscalers: Api::namespaced(platform.client.clone(), &namespace),
        }
    }

    async fn change(&self, change: Value) {
        self.platform.change(self.tenant, change).await;
    }

    async fn deployment(&self) -> Deployment {
        self.deployments.get("api").await.unwrap()
    }

    async fn replicas(&self) -> i32 {
        self.deployment().await.spec.unwrap().replicas.unwrap()
    }

    /// As an autoscaler does it.
    async fn scale(&self, replicas: i32) {
        let patch = json!({"spec": {"replicas": replicas}});
        let as_autoscaler = PatchParams {
            field_manager: Some("kube-controller-manager".to_owned()),
            ..PatchParams::default()
        };
        let scaled = self
            .deployments
            .patch_scale("api", &as_autoscaler, &Patch::Merge(&patch))
            .await;
        scaled.unwrap();
    }

    /// Makes the operator write the Deployment, and keeps the number.
    async fn is_rolled_out_with(&self, memory: &str, replicas: i32) {
        let amounts = json!({"cpu": "20m", "memory": memory});
        self.change(json!({"api": {"resources": {"requests": amounts}}}))
            .await;
        self.platform.ready(self.tenant).await;
        assert_eq!(self.replicas().await, replicas);
        let pod = self.deployment().await.spec.unwrap().template.spec.unwrap();
        let requests = pod.containers[0].resources.clone().unwrap().requests;
        assert_eq!(requests.unwrap()["memory"].0, memory);
    }

    /// Who declared the number last.
    async fn owners(&self) -> Vec<String> {
        let deployment = self.deployment().await;
        let owners = deployment.managed_fields().iter().filter(|entry| {
            let fields = entry.fields_v1.as_ref().unwrap();
            fields.0["f:spec"].get("f:replicas").is_some()
        });
        owners.filter_map(|entry| entry.manager.clone()).collect()
    }
}

#[tokio::test]
async fn the_number_of_pods_is_handed_over_as_it_is_and_taken_back_when_it_is_declared_again() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let scaled = Scaled::airline(&platform, "lively", json!({"replicas": 5})).await;

    let bounds = json!({"minReplicas": 2, "maxReplicas": 8});
    scaled.change(json!({"api": {"autoscaling": bounds}})).await;
    platform.ready("lively").await;
    // Here is no autoscaler that would bring back what was lost on the way.
    assert_eq!(scaled.replicas().await, 5);
    assert_eq!(scaled.owners().await, ["albatross-replicas"]);
    let made = scaled.autoscalers.get("api").await.unwrap().spec.unwrap();
    assert_eq!((made.min_replicas, made.max_replicas), (Some(2), 8));
    assert_eq!(made.scale_target_ref.name, "api");

    scaled.scale(7).await;
    scaled.is_rolled_out_with("64Mi", 7).await;
    assert_eq!(scaled.owners().await, ["kube-controller-manager"]);
    // The scale subresource of the tenant decides nothing meanwhile.
    let one = json!({"spec": {"replicas": 1}});
    let tenants = platform.tenants();
    let patched = tenants
        .patch_scale("lively", &PatchParams::default(), &Patch::Merge(&one))
        .await;
    patched.unwrap();
    platform.ready("lively").await;
    assert_eq!(scaled.replicas().await, 7);

    let fixed = json!({"replicas": 3, "autoscaling": null});
    scaled.change(json!({ "api": fixed })).await;
    platform.ready("lively").await;
    assert_eq!(scaled.replicas().await, 3);
    until("the autoscaler is gone", async || {
        scaled.autoscalers.get_opt("api").await.unwrap().is_none()
    })
    .await;
    platform.remove("lively").await;
    operator.stop().await;
}

#[tokio::test]
async fn an_autoscaler_of_somebody_elses_is_left_alone_but_for_hibernation() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let external = json!({"autoscaling": {"external": true}});
    let scaled = Scaled::airline(&platform, "elastic", external).await;
    assert!(scaled.autoscalers.get_opt("api").await.unwrap().is_none());
    scaled.scale(4).await;
    scaled.is_rolled_out_with("64Mi", 4).await;

    scaled.change(json!({"hibernate": "Now"})).await;
    platform
        .comes_to("elastic", "Ready", "True", "Hibernated")
        .await;
    assert_eq!(scaled.replicas().await, 0);
    scaled.change(json!({"hibernate": "Never"})).await;
    platform.ready("elastic").await;
    assert_eq!(scaled.replicas().await, 1);
    scaled.scale(3).await;
    scaled.is_rolled_out_with("80Mi", 3).await;

    scaled.scale(0).await;
    until("it is told who wants no pod", async || {
        let tenant = platform.tenant("elastic").await.unwrap();
        let ready = condition(&tenant, "Ready").unwrap();
        ready.status == "Unknown" && ready.message.contains("spec.api.autoscaling")
    })
    .await;
    scaled.scale(1).await;
    platform.ready("elastic").await;
    platform.remove("elastic").await;
    operator.stop().await;
}
