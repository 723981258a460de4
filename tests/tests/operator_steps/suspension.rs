//! Of a suspended tenant nothing is changed, and what is said of it stays true.

use albatross_crds::conditions::{ConditionType, is_true};
use albatross_tests::platform::{CLIENTS, Platform, condition};
use albatross_tests::wait::until;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;

#[tokio::test]
async fn a_suspended_tenant_is_left_as_it_is_and_stays_ready_over_a_restart() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("asleep", json!({})).await;
    platform.change("asleep", json!({"suspend": true})).await;
    platform
        .comes_to("asleep", "Suspended", "True", "Suspended")
        .await;
    let told = platform.runtimes.of("asleep").number;
    let change = json!({"api": {"replicas": 2}, "displayName": "Another"});
    platform.change("asleep", change).await;
    let changed = platform.tenant("asleep").await.unwrap();
    until("the change has been looked at", async || {
        let tenant = platform.tenant("asleep").await.unwrap();
        tenant.status.unwrap().observed_generation == changed.metadata.generation
    })
    .await;
    let before = platform.tenant("asleep").await.unwrap();
    assert_eq!(
        condition(&before, "Ready").unwrap().status,
        "True",
        "{before:?}"
    );
    assert_eq!(condition(&before, "Reconciling").unwrap().status, "False");
    operator.stop().await;

    let operator = platform.operator().await;
    until("the tenant has been looked at", async || {
        operator.reconciliations().await >= 1.0
    })
    .await;
    let after = platform.tenant("asleep").await.unwrap();
    assert_eq!(
        before.metadata.resource_version,
        after.metadata.resource_version
    );
    let deployments: Api<Deployment> = Api::namespaced(platform.client.clone(), "albatross-asleep");
    let deployment = deployments.get("api").await.unwrap();
    assert_eq!(deployment.spec.unwrap().replicas, Some(1));
    assert_eq!(platform.runtimes.of("asleep").number, told);

    platform.change("asleep", json!({"suspend": false})).await;
    until("what was declared meanwhile is made so", async || {
        let deployment = deployments.get("api").await.unwrap();
        deployment.spec.unwrap().replicas == Some(2)
    })
    .await;
    platform.ready("asleep").await;
    platform.remove("asleep").await;
    operator.stop().await;
}

#[tokio::test]
async fn who_is_suspended_before_anything_was_made_is_not_waited_for() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.declare("unborn", json!({"suspend": true})).await;
    let tenant = platform
        .comes_to("unborn", "Stalled", "True", "Suspended")
        .await;
    for part in ["DatabaseReady", "SchemaReady", "AdminsReady"] {
        assert_eq!(condition(&tenant, part).unwrap().status, "False", "{part}");
    }
    platform.change("unborn", json!({"suspend": false})).await;
    platform.ready("unborn").await;
    platform.change("unborn", json!({"suspend": true})).await;
    platform
        .comes_to("unborn", "Suspended", "True", "Suspended")
        .await;
    // A spec that is refused is not held back: it would not be carried out either.
    platform
        .change(
            "unborn",
            json!({"suspend": false, "placement": {"postgres": "nowhere"}}),
        )
        .await;
    let refused = platform
        .comes_to("unborn", "Stalled", "True", "PlacementConflict")
        .await;
    assert!(condition(&refused, "Suspended").is_none());
    platform.remove("unborn").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_key_of_a_suspended_tenant_is_not_said_to_have_ended_before_it_has() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    platform.airline("paused", json!({})).await;
    for key in ["revoked", "deleted"] {
        platform.declare_key(key, "paused", json!({})).await;
        platform.key_comes_to(key, "True", "Available").await;
    }
    platform.change("paused", json!({"suspend": true})).await;
    platform
        .comes_to("paused", "Suspended", "True", "Suspended")
        .await;
    let revoked = json!({"revoked": true});
    platform.change_key("revoked", revoked).await;
    let keys = platform.api_keys();
    let deleted = keys.delete("deleted", &DeleteParams::default()).await;
    deleted.unwrap();
    for name in ["revoked", "deleted"] {
        let key = platform
            .key_comes_to(name, "Unknown", "WaitingForTenant")
            .await;
        let conditions = &key.status.unwrap().conditions;
        let message = &conditions[0].message;
        assert!(message.contains("the key works until"), "{message}");
        assert!(message.contains("paused is suspended"), "{message}");
        // Somebody who waits for the one that stays would wait as long as the suspension lasts.
        let is_stalled = is_true(conditions, ConditionType::Stalled);
        assert_eq!(is_stalled, name == "revoked");
    }
    assert_eq!(platform.runtimes.of("paused").live_keys().len(), 2);
    operator.stop().await;

    // Nor by an operator that has asked nobody yet, nor while there are no pods: those that come are told nothing either.
    let other_pods_come = async |are_ill| {
        platform
            .runtimes
            .change("paused", |runtime| runtime.is_ill = are_ill);
        platform.delete_pods("paused").await;
        let pods = Api::namespaced(platform.client.clone(), "albatross-paused");
        until("as many pods are ready as are well", async || {
            let api: Deployment = pods.get("api").await.unwrap();
            api.status.unwrap().available_replicas.is_some() != are_ill
        })
        .await;
    };
    for are_ill in [false, true] {
        other_pods_come(are_ill).await;
        let operator = platform.operator().await;
        until("the keys have been looked at", async || {
            operator.metric("reconciles_total", &["ApiKey"]).await >= 2.0
        })
        .await;
        assert!(keys.get_opt("deleted").await.unwrap().is_some());
        platform
            .key_comes_to("revoked", "Unknown", "WaitingForTenant")
            .await;
        operator.stop().await;
    }
    other_pods_come(false).await;
    let operator = platform.operator().await;

    platform.change("paused", json!({"suspend": false})).await;
    platform.key_comes_to("revoked", "False", "Revoked").await;
    until("the other is gone", async || {
        keys.get_opt("deleted").await.unwrap().is_none()
    })
    .await;
    assert!(platform.runtimes.of("paused").live_keys().is_empty());
    assert_eq!(platform.secret(CLIENTS, "deleted").await, None);
    platform.remove_key("revoked").await;
    platform.remove("paused").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_key_is_not_gone_because_nobody_answered_before_the_suspension() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    platform.airline("mute", json!({})).await;
    platform.declare_key("kept", "mute", json!({})).await;
    platform.key_comes_to("kept", "True", "Available").await;
    let is_away = |is_away| {
        platform
            .runtimes
            .change("mute", |runtime| runtime.is_away = is_away);
    };
    is_away(true);
    platform
        .change("mute", json!({"displayName": "Nobody"}))
        .await;
    platform
        .comes_to("mute", "AdminsReady", "False", "RuntimeUnreachable")
        .await;
    platform.change("mute", json!({"suspend": true})).await;
    platform
        .comes_to("mute", "Suspended", "True", "Suspended")
        .await;
    is_away(false);
    let keys = platform.api_keys();
    let deleted = keys.delete("kept", &DeleteParams::default()).await;
    deleted.unwrap();
    platform
        .key_comes_to("kept", "Unknown", "WaitingForTenant")
        .await;
    assert_eq!(platform.runtimes.of("mute").live_keys().len(), 1);
    platform.change("mute", json!({"suspend": false})).await;
    until("the key is gone", async || {
        keys.get_opt("kept").await.unwrap().is_none()
    })
    .await;
    assert!(platform.runtimes.of("mute").live_keys().is_empty());
    platform.remove("mute").await;
    operator.stop().await;
}
