//! Pods that never become ready: the status says what they are in trouble with, and nothing waits for them.

use albatross_tests::platform::{Platform, condition};
use albatross_tests::wait::{recovered, until};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

use crate::noop::writes;

#[tokio::test]
async fn a_runtime_that_is_never_ready_is_told_with_its_cause_and_can_be_cured_or_deleted() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    for tenant in ["ill", "lost-cause"] {
        platform
            .runtimes
            .change(tenant, |runtime| runtime.is_ill = true);
        platform.declare(tenant, json!({})).await;
    }
    for tenant in ["ill", "lost-cause"] {
        let kind = "RuntimeAvailable";
        platform
            .comes_to(tenant, kind, "Unknown", "WaitingForRuntime")
            .await;
        recovered("the status says why", async || {
            let told = platform.tenant(tenant).await.unwrap();
            ["Ready", kind].iter().all(|kind| {
                let message = condition(&told, kind).unwrap().message;
                message.contains("container api ended with exit code 101 (Error)")
            })
        })
        .await;
    }
    let before = writes(&platform).len();
    for round in 0..3 {
        let looked = operator.reconciliations().await;
        look_again(&platform, round).await;
        until("it is looked at", async || {
            operator.reconciliations().await > looked
        })
        .await;
    }
    assert_eq!(writes(&platform)[before..], [], "{}", operator.said());

    platform.remove("lost-cause").await;
    platform
        .runtimes
        .change("ill", |runtime| runtime.is_ill = false);
    let pods: Api<Pod> = Api::namespaced(platform.client.clone(), "albatross-ill");
    let all = ListParams::default();
    let deleted = pods.delete_collection(&DeleteParams::default(), &all).await;
    deleted.unwrap();
    platform.ready("ill").await;
    platform.remove("ill").await;
    operator.stop().await;
}

async fn look_again(platform: &Platform, round: usize) {
    let secrets: Api<Secret> =
        Api::namespaced(platform.client.clone(), albatross_tests::chart::NAMESPACE);
    let touch = json!({"metadata": {"annotations": {"tests.example/touched": round.to_string()}}});
    let (parameters, touch) = (PatchParams::default(), Patch::Merge(&touch));
    let touched = secrets.patch("tenant-ill", &parameters, &touch).await;
    touched.unwrap();
}
