//! The connections of a server are given away once, whoever asks at the same time, grows or breaks its declaration.

use albatross_tests::platform::{Platform, Setting, Ways, condition};
use albatross_tests::servers::servers;
use albatross_tests::wait::until;
use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

/// Of one pod, and of the one that replaces it.
const ONE_TENANT: u32 = 24;
const NAMES: [&str; 8] = [
    "one", "two", "three", "four", "five", "six", "seven", "eight",
];

/// With the server `small` beside the usual one.
async fn platform(budget: u32) -> Platform {
    let mut setting = Setting::straight().await;
    let small = Ways {
        budget,
        ..Ways::straight(servers().await)
    };
    setting.ways.push(("small", small));
    Platform::with(setting).await
}

fn on_small(change: Value) -> Value {
    let mut declared = json!({"placement": {"postgres": "small"}});
    for (field, value) in change.as_object().unwrap() {
        declared[field] = value.clone();
    }
    declared
}

/// Whether it is placed; none while nobody has decided it for what is declared now.
async fn is_placed(platform: &Platform, name: &str) -> Option<bool> {
    let tenant = platform.tenant(name).await.unwrap();
    let said = |kind, reason| {
        condition(&tenant, kind).is_some_and(|found| {
            found.reason == reason && found.observed_generation == tenant.metadata.generation
        })
    };
    if said("Ready", "Available") {
        return Some(true);
    }
    said("Stalled", "ServerFull").then_some(false)
}

/// The names of those that are placed, once that is settled for all.
async fn placed(platform: &Platform) -> Vec<&'static str> {
    let mut placed = Vec::new();
    for name in NAMES {
        until(&format!("{name} is settled"), async || {
            is_placed(platform, name).await.is_some()
        })
        .await;
        if is_placed(platform, name).await == Some(true) {
            placed.push(name);
        }
    }
    placed
}

#[tokio::test]
async fn the_last_room_of_a_server_is_given_to_one_of_all_who_ask_at_once() {
    let platform = platform(ONE_TENANT).await;
    let operator = platform.operator().await;
    let declared = NAMES.map(|name| platform.declare(name, on_small(json!({}))));
    join_all(declared).await;
    let first = placed(&platform).await;
    assert_eq!(first.len(), 1, "{first:?}");
    let [winner, loser] = [
        first[0],
        if first[0] == NAMES[0] {
            NAMES[1]
        } else {
            NAMES[0]
        },
    ];

    // Whose declaration cannot be understood has what it had.
    let quota = |pods: Option<i32>| json!({"quota": pods.map(|pods| json!({"pods": pods}))});
    platform.change(winner, quota(Some(1))).await;
    platform
        .comes_to(winner, "Stalled", "True", "InvalidSpec")
        .await;
    let looked_at = json!({"displayName": "Looked at"});
    platform.change(loser, looked_at).await;
    platform
        .comes_to(loser, "Stalled", "True", "ServerFull")
        .await;
    platform.change(winner, quota(None)).await;
    platform.ready(winner).await;

    platform.remove(winner).await;
    let looked_at = json!({"displayName": "Looked at again"});
    platform.change(loser, looked_at).await;
    platform.ready(loser).await;
    for name in NAMES.into_iter().filter(|name| *name != winner) {
        platform.remove(name).await;
    }
    operator.stop().await;
}

#[tokio::test]
async fn a_tenant_that_grows_beyond_its_server_is_refused_and_runs_on_as_it_is() {
    let platform = platform(ONE_TENANT + ONE_TENANT / 2).await;
    let operator = platform.operator().await;
    platform.airline("grown", on_small(json!({}))).await;
    let namespace = "albatross-grown";
    let deployments: Api<Deployment> = Api::namespaced(platform.client.clone(), namespace);
    let replicas = async || deployments.get("api").await.unwrap().spec.unwrap().replicas;

    // `kubectl scale`.
    let scaled = async |replicas: i32| {
        let scale = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        let (tenants, parameters) = (platform.tenants(), PatchParams::default());
        let scaled = tenants.patch_scale("grown", &parameters, &scale).await;
        scaled.unwrap();
    };
    scaled(2).await;
    platform.ready("grown").await;
    assert_eq!(replicas().await, Some(2));
    let too_much = [
        json!({"api": {"replicas": 100}}),
        json!({"api": {"replicas": 2, "autoscaling": {"maxReplicas": 3}}}),
        json!({"api": {"replicas": 2, "autoscaling": null}, "worker": {"replicas": 1}}),
    ];
    for change in too_much {
        platform.change("grown", change).await;
        let refused = platform
            .comes_to("grown", "Stalled", "True", "ServerFull")
            .await;
        let message = condition(&refused, "Ready").unwrap().message;
        assert!(message.contains("small has 36"), "{message}");
        assert_eq!(replicas().await, Some(2));
    }
    platform.change("grown", json!({"worker": null})).await;
    platform.ready("grown").await;
    scaled(1).await;
    platform.ready("grown").await;
    assert_eq!(replicas().await, Some(1));
    platform.remove("grown").await;
    operator.stop().await;
}
