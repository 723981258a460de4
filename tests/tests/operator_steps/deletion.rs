//! The end of a tenant: what it has is kept or dropped as declared, whatever has gone before.

use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{Outside, Platform, condition};
use albatross_tests::wait::until;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

#[tokio::test]
async fn a_deleted_tenant_leaves_what_it_retains_and_nothing_else() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("dropped", json!({})).await;
    platform
        .airline(
            "retained",
            json!({"deletionPolicy": "Retain", "suspend": false}),
        )
        .await;
    platform.airline("neighbour", json!({})).await;
    let dropped = platform.record("dropped").await;
    let retained = platform.record("retained").await;
    let neighbour = platform.record("neighbour").await;
    for record in [&dropped, &retained, &neighbour] {
        assert_eq!(platform.outside(record).await, Outside::ALL);
    }
    // A tenant that is left alone can still go.
    platform.change("retained", json!({"suspend": true})).await;
    platform.remove("dropped").await;
    platform.remove("retained").await;

    assert_eq!(platform.outside(&dropped).await, Outside::NOTHING);
    let left = platform.secret(NAMESPACE, "tenant-dropped").await;
    assert!(left.is_none());
    assert_eq!(platform.outside(&retained).await, Outside::ALL);
    assert_eq!(platform.record("retained").await, retained);
    for tenant in ["dropped", "retained"] {
        let links = format!("platform-links-{tenant}");
        assert!(platform.secret(NAMESPACE, &links).await.is_none());
    }
    assert_eq!(platform.outside(&neighbour).await, Outside::ALL);
    platform.remove("neighbour").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_tenant_whose_namespace_is_gone_already_can_be_deleted() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("homeless", json!({})).await;
    let record = platform.record("homeless").await;
    operator.stop().await;
    delete_namespace(&platform, "albatross-homeless").await;
    let namespaces: Api<Namespace> = Api::all(platform.client.clone());
    until("the namespace is gone", async || {
        let left = namespaces.get_opt("albatross-homeless").await.unwrap();
        left.is_none()
    })
    .await;
    let deleted = platform
        .tenants()
        .delete("homeless", &DeleteParams::default())
        .await;
    deleted.unwrap();
    let operator = platform.operator().await;
    until("the tenant is gone", async || {
        platform.tenant("homeless").await.is_none()
    })
    .await;
    assert_eq!(platform.outside(&record).await, Outside::NOTHING);
    operator.stop().await;
}

#[tokio::test]
async fn a_namespace_that_is_stuck_is_told_and_waited_for() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("stuck", json!({})).await;
    let maps: Api<ConfigMap> = Api::namespaced(platform.client.clone(), "albatross-stuck");
    let held = json!({"metadata": {"name": "held", "finalizers": ["tests.example/held"]}});
    let held = serde_json::from_value(held).unwrap();
    maps.create(&PostParams::default(), &held).await.unwrap();
    let deleted = platform
        .tenants()
        .delete("stuck", &DeleteParams::default())
        .await;
    deleted.unwrap();
    until("the namespace is waited for", async || {
        let tenant = platform.tenant("stuck").await.unwrap();
        let ready = condition(&tenant, "Ready").unwrap();
        ready.reason == "Deleting" && ready.message.contains("namespace")
    })
    .await;
    let release = json!({"metadata": {"finalizers": null}});
    let released = maps
        .patch("held", &PatchParams::default(), &Patch::Merge(&release))
        .await;
    released.unwrap();
    until("the tenant is gone", async || {
        platform.tenant("stuck").await.is_none()
    })
    .await;
    operator.stop().await;
}

/// As somebody would who insists.
pub async fn delete_namespace(platform: &Platform, name: &str) {
    let namespaces: Api<Namespace> = Api::all(platform.client.clone());
    let allow = json!({"metadata": {"annotations": {"albatross.aero/allow-deletion": "true"}}});
    let allowed = namespaces
        .patch(name, &PatchParams::default(), &Patch::Merge(&allow))
        .await;
    allowed.unwrap();
    let deleted = namespaces.delete(name, &DeleteParams::default()).await;
    deleted.unwrap();
}
