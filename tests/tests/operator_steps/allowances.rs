//! What an airline may use and grow to, as it is declared now: in its namespace, and known to its runtime.

use std::collections::BTreeMap;

use albatross_tests::platform::Platform;
use albatross_tests::wait::until;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{LimitRange, ResourceQuota};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::Api;
use serde_json::{Value, json};

const TENANT: &str = "bounded";
const HOME: &str = "albatross-bounded";

fn texts(amounts: Option<BTreeMap<String, Quantity>>) -> Value {
    let amounts = amounts.unwrap_or_default().into_iter();
    json!(
        amounts
            .map(|(name, amount)| (name, amount.0))
            .collect::<BTreeMap<_, _>>()
    )
}

async fn quota(platform: &Platform) -> Value {
    let quotas: Api<ResourceQuota> = Api::namespaced(platform.client.clone(), HOME);
    let found = quotas.get("albatross").await.unwrap();
    texts(found.spec.unwrap().hard)
}

/// What is declared of the pods, and what nobody can declare away.
fn bounded(mut declared: Value) -> Value {
    declared["count/apikeys.albatross.aero"] = json!("100");
    declared
}

/// What a container gets that says nothing of its own.
async fn default_requests(platform: &Platform) -> Value {
    let ranges: Api<LimitRange> = Api::namespaced(platform.client.clone(), HOME);
    let range = ranges.get("albatross").await.unwrap().spec.unwrap();
    texts(range.limits[0].default_request.clone())
}

/// How often the pods' Deployment was changed.
async fn generation(platform: &Platform) -> Option<i64> {
    let deployments: Api<Deployment> = Api::namespaced(platform.client.clone(), HOME);
    deployments.get("api").await.unwrap().metadata.generation
}

#[tokio::test]
async fn changed_quotas_and_limits_reach_the_namespace_and_the_runtime_and_restart_no_pod() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let limits = |pilots: Value, pireps: Value, storage: Value| json!({"pilots": pilots, "pirepsPerDay": pireps, "storageBytes": storage});
    let none = Value::Null;
    let cases = [
        (
            json!({"quota": {"pods": 10, "requests": {"cpu": "1"}}, "limits": {"pilots": 20}}),
            json!({"pods": "10", "requests.cpu": "1"}),
            limits(json!(20), none.clone(), none.clone()),
        ),
        (
            json!({
                "quota": {"pods": 12, "requests": null, "limits": {"memory": "2Gi"}},
                "limits": {"pilots": null, "pirepsPerDay": 300, "storage": "64Mi"},
            }),
            json!({"pods": "12", "limits.memory": "2Gi"}),
            limits(none.clone(), json!(300), json!(67_108_864)),
        ),
        (
            json!({"quota": null, "limits": null}),
            json!({}),
            limits(none.clone(), none.clone(), none),
        ),
    ];
    platform.airline(TENANT, json!({})).await;
    let before = generation(&platform).await;
    for (change, hard, limits) in cases {
        platform.change(TENANT, change).await;
        platform.ready(TENANT).await;
        until("the quota is as declared", async || {
            quota(&platform).await == bounded(hard.clone())
        })
        .await;
        let runtime = platform.runtimes.of(TENANT);
        assert_eq!(runtime.state["tenant"]["limits"], limits);
    }
    assert_eq!(generation(&platform).await, before);

    let resources = json!({"requests": {"cpu": "30m", "memory": "64Mi"}});
    platform
        .change(TENANT, json!({"api": {"resources": resources}}))
        .await;
    platform.ready(TENANT).await;
    let expected = json!({"cpu": "30m", "memory": "64Mi"});
    assert_eq!(default_requests(&platform).await, expected);
    platform.remove(TENANT).await;
    operator.stop().await;
}
