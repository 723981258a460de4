//! A tenant that stays at a version of the runtime, and never goes back to an older one.

use albatross_tests::platform::{Platform, condition};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use serde_json::json;

pub async fn image(platform: &Platform, tenant: &str) -> String {
    let namespace = format!("albatross-{tenant}");
    let deployments: Api<Deployment> = Api::namespaced(platform.client.clone(), &namespace);
    let pod = deployments.get("api").await.unwrap().spec.unwrap().template;
    pod.spec.unwrap().containers[0].image.clone().unwrap()
}

#[tokio::test]
async fn a_pinned_version_is_what_runs_and_an_older_one_is_refused() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform
        .airline("pinned", json!({"version": "0.2.0"}))
        .await;
    let pinned = image(&platform, "pinned").await;
    let (repository, tag) = pinned.rsplit_once(':').unwrap();
    assert_eq!(tag, "0.2.0");
    let record = platform.record("pinned").await;
    assert_eq!(record["migratedImage"], pinned);

    platform.change("pinned", json!({"version": "0.1.9"})).await;
    let refused = platform
        .comes_to("pinned", "Stalled", "True", "DowngradeRefused")
        .await;
    let message = condition(&refused, "Ready").unwrap().message;
    assert!(message.contains("at least 0.2.0"), "{message}");
    assert_eq!(image(&platform, "pinned").await, pinned);

    platform.change("pinned", json!({"version": "0.3.0"})).await;
    platform.ready("pinned").await;
    let image = image(&platform, "pinned").await;
    assert_eq!(image, format!("{repository}:0.3.0"));
    assert_eq!(platform.record("pinned").await["migratedImage"], image);
    platform.remove("pinned").await;
    operator.stop().await;
}
