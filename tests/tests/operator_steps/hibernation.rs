//! A tenant that rests: no pods, its data and its keys kept, and nothing that waits for it.

use albatross_tests::platform::{CLIENTS, Platform, condition};
use albatross_tests::wait::until;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

async fn replicas(platform: &Platform, tenant: &str, name: &str) -> Option<i32> {
    let namespace = format!("albatross-{tenant}");
    let deployments: Api<Deployment> = Api::namespaced(platform.client.clone(), &namespace);
    deployments.get(name).await.unwrap().spec.unwrap().replicas
}

async fn sleeps(platform: &Platform, tenant: &str) {
    platform
        .comes_to(tenant, "Ready", "True", "Hibernated")
        .await;
}

#[tokio::test]
async fn a_hibernated_tenant_keeps_its_keys_and_hears_on_waking_what_was_declared_meanwhile() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    let declared = json!({"api": {"replicas": 2}, "worker": {"replicas": 1}});
    platform.airline("dormant", declared).await;
    for key in ["dormant-kept", "dormant-gone"] {
        platform.declare_key(key, "dormant", json!({})).await;
        platform.key_comes_to(key, "True", "Available").await;
    }
    let kept = platform.client_secret("dormant-kept").await;
    platform.leave_a_mark("dormant").await;

    platform
        .change("dormant", json!({"hibernate": "Now"}))
        .await;
    sleeps(&platform, "dormant").await;
    for name in ["api", "worker"] {
        assert_eq!(replicas(&platform, "dormant", name).await, Some(0));
    }
    let renamed = json!({"displayName": "Skyways again"});
    platform.change("dormant", renamed).await;
    sleeps(&platform, "dormant").await;
    let tenant = platform.tenant("dormant").await.unwrap();
    let status = tenant.status.unwrap();
    assert_eq!(status.version.as_deref(), Some("0.1.0"));
    assert_eq!(status.api.unwrap().replicas, 0);
    // Neither its end nor a new operator waits for a runtime that is not there.
    platform.remove_key("dormant-gone").await;
    operator.stop().await;
    let operator = platform.operator().await;
    until("the operator has looked", async || {
        operator.reconciliations().await >= 1.0
    })
    .await;
    platform
        .key_comes_to("dormant-kept", "True", "Available")
        .await;
    assert_eq!(platform.client_secret("dormant-kept").await, kept);
    let runtime = platform.runtimes.of("dormant");
    assert_eq!(runtime.state["tenant"]["displayName"], "Skyways");

    platform
        .change("dormant", json!({"hibernate": "Never"}))
        .await;
    platform.ready("dormant").await;
    assert_eq!(replicas(&platform, "dormant", "api").await, Some(2));
    assert_eq!(replicas(&platform, "dormant", "worker").await, Some(1));
    let runtime = platform.runtimes.of("dormant");
    assert_eq!(runtime.state["tenant"]["displayName"], "Skyways again");
    assert_eq!(runtime.live_keys(), [kept["keyId"].as_str()]);
    assert!(platform.has_its_mark("dormant").await);
    platform.remove_key("dormant-kept").await;
    assert_eq!(platform.secret(CLIENTS, "dormant-kept").await, None);
    platform.remove("dormant").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_tenant_sleeps_when_the_last_flight_has_landed_and_goes_on_sleeping() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("landing", json!({})).await;
    let airborne = |flights| {
        platform
            .runtimes
            .change("landing", |runtime| runtime.airborne = flights);
    };
    airborne(2);
    let when_landed = json!({"hibernate": "WhenLanded"});
    platform.change("landing", when_landed.clone()).await;
    let waiting = platform
        .comes_to("landing", "Reconciling", "True", "WaitingForFlights")
        .await;
    let said = condition(&waiting, "Ready").unwrap().message;
    assert!(said.contains("paused: 2"), "{said}");
    assert_eq!(replicas(&platform, "landing", "api").await, Some(1));
    airborne(0);
    look_again(&platform).await;
    sleeps(&platform, "landing").await;
    assert_eq!(replicas(&platform, "landing", "api").await, Some(0));

    // Whoever starts a pod by hand does not wake it.
    let deployments: Api<Deployment> =
        Api::namespaced(platform.client.clone(), "albatross-landing");
    let one = json!({"spec": {"replicas": 1}});
    let started = deployments
        .patch("api", &PatchParams::default(), &Patch::Merge(&one))
        .await;
    started.unwrap();
    until("it sleeps again", async || {
        replicas(&platform, "landing", "api").await == Some(0)
    })
    .await;

    platform
        .change("landing", json!({"hibernate": "Never"}))
        .await;
    platform.ready("landing").await;
    // Now asks nobody.
    airborne(1);
    platform
        .change("landing", json!({"hibernate": "Now"}))
        .await;
    sleeps(&platform, "landing").await;
    platform.change("landing", when_landed).await;
    sleeps(&platform, "landing").await;
    platform.remove("landing").await;
    operator.stop().await;
}

/// Landings are asked for every half a minute; this is a reason to look now.
async fn look_again(platform: &Platform) {
    let touch = json!({"metadata": {"annotations": {"tests.example/touched": "yes"}}});
    let services: Api<Service> = Api::namespaced(platform.client.clone(), "albatross-landing");
    let touched = services
        .patch("api", &PatchParams::default(), &Patch::Merge(&touch))
        .await;
    touched.unwrap();
}

#[tokio::test]
async fn a_new_tenant_may_be_declared_asleep_and_is_set_up_when_it_wakes() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform
        .declare("unborn", json!({"hibernate": "Now"}))
        .await;
    sleeps(&platform, "unborn").await;
    assert_eq!(replicas(&platform, "unborn", "api").await, Some(0));
    assert_eq!(platform.runtimes.of("unborn").number, 0);
    platform
        .change("unborn", json!({"hibernate": "Never"}))
        .await;
    platform.ready("unborn").await;
    assert!(platform.runtimes.of("unborn").number > 0);
    platform.remove("unborn").await;
    operator.stop().await;
}
