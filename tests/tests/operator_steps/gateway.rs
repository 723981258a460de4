//! A tenant that is reached through a Gateway, on a cluster that comes to know what that is, and forgets it.

use albatross_operator::context::http_route::HttpRoute;
use albatross_tests::platform::{HTTP_ROUTES, Platform, condition};
use albatross_tests::wait::{until, until_in};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;

/// The operator looks whether a kind has come to be served twice a minute, and at such a tenant once.
const NOTICED: Duration = Duration::from_secs(150);

fn definitions(platform: &Platform) -> Api<CustomResourceDefinition> {
    Api::all(platform.client.clone())
}

async fn says(routes: &Api<HttpRoute>, accepted: &str) {
    let condition = json!({
        "type": "Accepted", "status": accepted, "reason": "NotAllowedByListeners",
        "message": "no listener lets this namespace in",
    });
    let status = json!({"status": {"parents": [{"conditions": [condition]}]}});
    let told = routes
        .patch_status("api", &PatchParams::default(), &Patch::Merge(&status))
        .await;
    told.unwrap();
}

async fn noticed(platform: &Platform, status: &str, reason: &str) {
    until_in(NOTICED, &format!("Ready {status}, {reason}"), async || {
        let tenant = platform.tenant("gated").await.unwrap();
        condition(&tenant, "Ready").is_some_and(|it| it.status == status && it.reason == reason)
    })
    .await;
}

#[tokio::test]
async fn an_airline_is_reached_through_a_gateway_once_the_cluster_knows_of_any() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let parent = json!({"name": "edge", "namespace": "gateways"});
    let exposure = json!({"gateway": {"parentRef": parent}});
    platform
        .declare("gated", json!({ "exposure": exposure }))
        .await;
    let missing = platform
        .comes_to("gated", "Stalled", "True", "GatewayApiMissing")
        .await;
    let message = condition(&missing, "Ready").unwrap().message;
    assert!(message.contains("spec.exposure.gateway"), "{message}");
    // All else is there, also for others.
    platform
        .comes_to("gated", "AdminsReady", "True", "UpToDate")
        .await;
    platform.airline("ungated", json!({})).await;
    // Its runtime is told as ever.
    platform.client_namespace().await;
    let spec = json!({"ttl": null, "expiresAt": "2100-01-01T00:00:00Z"});
    platform.declare_key("gated", "gated", spec).await;
    platform.key_comes_to("gated", "True", "Available").await;
    let end = "2099-01-01T00:00:00Z";
    platform
        .change_key("gated", json!({ "expiresAt": end }))
        .await;
    until("the key ends earlier", async || {
        let keys = platform.runtimes.of("gated").keys;
        keys.values().all(|key| key.expires_at.to_string() == end)
    })
    .await;
    platform.remove_key("gated").await;

    platform.install_the_gateway_api().await;
    noticed(&platform, "True", "Available").await;
    let ready = platform.ready("gated").await;
    let endpoint = ready.status.unwrap().endpoint;
    assert_eq!(endpoint.as_deref(), Some("https://gated.example"));
    let routes: Api<HttpRoute> = Api::namespaced(platform.client.clone(), "albatross-gated");
    let route = routes.get("api").await.unwrap();
    assert_eq!(route.spec.hostnames, ["gated.example"]);
    assert_eq!(json!(route.spec.parent_refs), json!([parent]));

    says(&routes, "False").await;
    noticed(&platform, "False", "RouteNotAccepted").await;
    platform.change("gated", json!({"suspend": true})).await;
    platform
        .comes_to("gated", "Suspended", "True", "Suspended")
        .await;
    noticed(&platform, "False", "RouteNotAccepted").await;
    platform.change("gated", json!({"suspend": false})).await;
    says(&routes, "True").await;
    noticed(&platform, "True", "Available").await;
    comes_back(&routes, json!({"spec": {"hostnames": ["mallory.example"]}})).await;

    let deleted = definitions(&platform)
        .delete(HTTP_ROUTES, &DeleteParams::default())
        .await;
    deleted.unwrap();
    noticed(&platform, "False", "GatewayApiMissing").await;
    platform.install_the_gateway_api().await;
    noticed(&platform, "True", "Available").await;
    assert!(routes.get_opt("api").await.unwrap().is_some());

    let none = json!({"exposure": {"gateway": null, "none": {}}});
    platform.change("gated", none).await;
    platform.ready("gated").await;
    until_in(NOTICED, "the route is gone", async || {
        routes.get_opt("api").await.unwrap().is_none()
    })
    .await;
    platform.remove("gated").await;
    platform.remove("ungated").await;
    let deleted = definitions(&platform)
        .delete(HTTP_ROUTES, &DeleteParams::default())
        .await;
    deleted.unwrap();
    operator.stop().await;
}

async fn comes_back(routes: &Api<HttpRoute>, change: Value) {
    let before = routes.get("api").await.unwrap().spec;
    let changed = routes
        .patch("api", &PatchParams::default(), &Patch::Merge(&change))
        .await;
    assert_ne!(changed.unwrap().spec, before);
    until("the route is as it was", async || {
        routes.get("api").await.unwrap().spec == before
    })
    .await;
}
