//! Reasons that hold for a while only, or seldom: each is told while it does, and goes with what was in the way.

use albatross_crds::conditions::{ConditionType, is_true};
use albatross_tests::platform::{Migration, Platform, Runtime, condition};
use albatross_tests::wait::until;
use k8s_openapi::api::core::v1::{Pod, ResourceQuota};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

const TENANT: &str = "troubled";
const HOME: &str = "albatross-troubled";
const HELD: &str = "tests.example/held";

fn pods(platform: &Platform) -> Api<Pod> {
    Api::namespaced(platform.client.clone(), HOME)
}

/// The whole and the part that it comes from say so.
async fn says(platform: &Platform, kind: &str, status: &str, reason: &str) {
    for kind in [kind, "Ready"] {
        platform.comes_to(TENANT, kind, status, reason).await;
    }
}

#[tokio::test]
async fn a_tenant_says_what_its_pods_are_at_and_why_they_do_not_get_on() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let runtime = |change: fn(&mut Runtime)| platform.runtimes.change(TENANT, change);
    runtime(|it| it.migration = Migration::Hangs);
    platform.declare(TENANT, json!({})).await;
    says(&platform, "SchemaReady", "Unknown", "Migrating").await;
    runtime(|it| it.migration = Migration::Succeeds);
    platform.ready(TENANT).await;

    // A second pod that does not come up.
    runtime(|it| it.is_ill = true);
    let two = json!({"api": {"replicas": 2}});
    platform.change(TENANT, two).await;
    for (kind, status, reason) in [
        ("Ready", "Unknown", "RollingOut"),
        ("Reconciling", "True", "RollingOut"),
        ("RuntimeAvailable", "True", "Available"),
    ] {
        platform.comes_to(TENANT, kind, status, reason).await;
    }
    runtime(|it| it.is_ill = false);
    platform.delete_pods(TENANT).await;
    platform.ready(TENANT).await;

    runtime(|it| it.refuses = true);
    let name = json!({"displayName": "Troubled Airways"});
    platform.change(TENANT, name).await;
    says(&platform, "AdminsReady", "False", "RuntimeRefused").await;
    let refused = platform.tenant(TENANT).await.unwrap();
    let message = condition(&refused, "Ready").unwrap().message;
    assert!(message.contains("not this one"), "{message}");
    runtime(|it| it.refuses = false);
    platform.ready(TENANT).await;

    let quota = forbid_pods(&platform).await;
    platform.delete_pods(TENANT).await;
    says(&platform, "RuntimeAvailable", "False", "RuntimeUnavailable").await;
    let unavailable = platform.tenant(TENANT).await.unwrap();
    let message = condition(&unavailable, "Ready").unwrap().message;
    assert!(message.contains("exceeded quota"), "{message}");
    let lifted = quota.delete("none", &DeleteParams::default()).await;
    lifted.unwrap();
    platform.ready(TENANT).await;
    platform.remove(TENANT).await;
    operator.stop().await;
}

/// A quota of the platform team's, which nobody reckons here but this test.
async fn forbid_pods(platform: &Platform) -> Api<ResourceQuota> {
    let quotas: Api<ResourceQuota> = Api::namespaced(platform.client.clone(), HOME);
    let none = json!({"hard": {"pods": "0"}});
    let quota = json!({"metadata": {"name": "none"}, "spec": none});
    let quota = serde_json::from_value(quota).unwrap();
    let made = quotas.create(&PostParams::default(), &quota).await;
    made.unwrap();
    let status = json!({"status": {"hard": {"pods": "0"}, "used": {"pods": "0"}}});
    let (parameters, status) = (PatchParams::default(), Patch::Merge(&status));
    let told = quotas.patch_status("none", &parameters, &status).await;
    told.unwrap();
    let running = pods(platform).list(&ListParams::default()).await.unwrap();
    let spec = running.items[0].spec.clone();
    let mut probe = Pod {
        spec,
        ..Pod::default()
    };
    probe.metadata.name = Some("probe".to_owned());
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    until("the quota is in force", async || {
        let made = pods(platform).create(&dry, &probe).await;
        made.is_err_and(|error| error.to_string().contains("exceeded quota"))
    })
    .await;
    quotas
}

#[tokio::test]
async fn a_key_says_what_it_waits_for_and_what_it_is_refused_for() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    let runtime = |change: fn(&mut Runtime)| platform.runtimes.change(TENANT, change);
    runtime(|it| it.migration = Migration::Hangs);
    let quota = |pods: Option<i32>| json!({"quota": pods.map(|pods| json!({"pods": pods}))});
    platform.declare(TENANT, quota(Some(1))).await;
    platform.declare_key("first", TENANT, json!({})).await;
    platform
        .key_comes_to("first", "False", "WaitingForTenant")
        .await;
    platform.change(TENANT, quota(None)).await;
    platform
        .key_comes_to("first", "Unknown", "Registering")
        .await;
    runtime(|it| it.migration = Migration::Succeeds);
    platform.key_comes_to("first", "True", "Available").await;

    runtime(|it| it.refuses_keys = true);
    platform.declare_key("second", TENANT, json!({})).await;
    let refused = platform
        .key_comes_to("second", "False", "RuntimeRefused")
        .await;
    let conditions = refused.status.unwrap().conditions;
    assert!(is_true(&conditions, ConditionType::Stalled));
    assert_eq!(conditions[0].message, "no more keys");
    runtime(|it| it.refuses_keys = false);
    // A reason to tell the runtime now.
    let name = json!({"displayName": "Troubled Airways"});
    platform.change(TENANT, name).await;
    platform.key_comes_to("second", "True", "Available").await;

    hold(&platform, true).await;
    let tenants = platform.tenants();
    let deleted = tenants.delete(TENANT, &DeleteParams::default()).await;
    deleted.unwrap();
    for key in ["first", "second"] {
        platform.key_comes_to(key, "False", "TenantDeleting").await;
    }
    // As long as the deletion lasts, a key is let go at once.
    platform.remove_key("second").await;
    until("only the test holds the tenant", async || {
        let tenant = platform.tenant(TENANT).await.unwrap();
        tenant.metadata.finalizers.unwrap_or_default() == [HELD]
    })
    .await;
    hold(&platform, false).await;
    platform
        .key_comes_to("first", "False", "TenantNotFound")
        .await;
    platform.remove_key("first").await;
    operator.stop().await;
}

/// By a finalizer of somebody else, beside the operator's if that is there.
async fn hold(platform: &Platform, held: bool) {
    let tenant = platform.tenant(TENANT).await.unwrap();
    let mut finalizers = tenant.metadata.finalizers.unwrap_or_default();
    finalizers.retain(|name| name != HELD);
    finalizers.extend(held.then(|| HELD.to_owned()));
    let held = json!({"metadata": {"finalizers": finalizers}});
    let (parameters, held) = (PatchParams::default(), Patch::Merge(&held));
    let patched = platform.tenants().patch(TENANT, &parameters, &held).await;
    patched.unwrap();
}
