//! What is as declared is left alone: no reconciliation, and no start, writes anything.

use albatross_tests::api_server::Write;
use albatross_tests::chart::{NAMESPACE, OPERATOR};
use albatross_tests::platform::{Operator, Platform};
use albatross_tests::wait::until;
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

/// With an object of every kind.
pub fn everything() -> Value {
    json!({
        "owners": [{"kind": "Group", "name": "skyways-ops"}],
        "quota": {"pods": 20},
        "worker": {"replicas": 1},
        "api": {"autoscaling": {"maxReplicas": 3}},
        "exposure": {"ingress": {"className": "nginx", "tlsSecretName": "tls"}},
    })
}

#[tokio::test]
async fn a_reconciliation_of_what_is_as_declared_writes_nothing() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let earlier = writes(&platform).len();
    let operator = platform.operator().await;
    platform.airline("noop", everything()).await;
    let key = platform.declare_key("noop-acars", "noop", json!({})).await;
    platform
        .key_comes_to("noop-acars", "True", "Available")
        .await;
    touch(&platform, &operator, &key.uid().unwrap()).await;
    let before = writes(&platform);
    for _ in 0..2 {
        touch(&platform, &operator, &key.uid().unwrap()).await;
    }
    assert_eq!(writes(&platform)[before.len()..], [], "{}", operator.said());
    // Events are a courtesy, and not counted.
    let is_counted = |write: &&Write| !write.path.contains("/events");
    let made = before[earlier..].iter().filter(is_counted).count();
    let counted = operator.metric("kubernetes_writes_total", &[]).await;
    assert_eq!(counted, made as f64);

    operator.stop().await;
    let before = writes(&platform);
    let operator = platform.operator().await;
    until("both are reconciled again", async || {
        reconciliations(&operator, "Tenant").await >= 1.0
            && reconciliations(&operator, "ApiKey").await >= 1.0
    })
    .await;
    touch(&platform, &operator, &key.uid().unwrap()).await;
    assert_eq!(writes(&platform)[before.len()..], [], "{}", operator.said());

    platform.remove("noop").await;
    operator.stop().await;
}

/// Gives the operator a reason to look at the tenant and its key, and returns once it has.
async fn touch(platform: &Platform, operator: &Operator, key: &str) {
    let tenants = reconciliations(operator, "Tenant").await;
    let keys = reconciliations(operator, "ApiKey").await;
    let now = format!("{tenants}-{keys}");
    let label = json!({"metadata": {"annotations": {"tests.example/touched": now}}});
    let services: Api<Service> = Api::namespaced(platform.client.clone(), "albatross-noop");
    let patched = services
        .patch("api", &PatchParams::default(), &Patch::Merge(&label))
        .await;
    patched.unwrap();
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), NAMESPACE);
    let name = format!("apikey-{key}");
    let patched = secrets
        .patch(&name, &PatchParams::default(), &Patch::Merge(&label))
        .await;
    patched.unwrap();
    until("both are looked at", async || {
        reconciliations(operator, "Tenant").await > tenants
            && reconciliations(operator, "ApiKey").await > keys
    })
    .await;
}

async fn reconciliations(operator: &Operator, kind: &str) -> f64 {
    operator.metric("reconciles_total", &[kind]).await
}

/// By the operator, the Lease aside.
pub fn writes(platform: &Platform) -> Vec<Write> {
    let writes = platform.api_server.writes().into_iter();
    writes
        .filter(|write| write.user == OPERATOR && !write.path.contains("/leases"))
        .collect()
}
