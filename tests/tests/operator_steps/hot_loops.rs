//! What fails for ever is tried again for ever, and costs next to nothing meanwhile.

use albatross_tests::api_server::Write;
use albatross_tests::platform::{Platform, Setting, Ways};
use albatross_tests::processes::free_port;
use albatross_tests::servers::servers;
use albatross_tests::wait::{recovered, until};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::noop::writes;

const POLICY: &str = "tests-denied";
/// Why each of them fails: an older tenant has its host, its server is away, the cluster refuses an object, its runtime
/// does not answer.
const FAILING: [&str; 4] = ["beaten", "dark", "denied", "deaf"];

#[tokio::test]
async fn tenants_that_fail_for_ever_are_looked_at_again_and_again_and_nothing_is_written() {
    let mut setting = Setting::straight().await;
    let ways = Ways {
        postgres: format!("postgres://127.0.0.1:{}", free_port()),
        ..Ways::straight(servers().await)
    };
    setting.ways.push(("dark", ways));
    let platform = Platform::with(setting).await;
    deny(&platform).await;
    let operator = platform.operator().await;
    platform.airline("first", json!({})).await;
    fail(&platform).await;

    let before = writes(&platform).len();
    let looked = operator.reconciliations().await;
    recovered("they are looked at again", async || {
        operator.reconciliations().await >= looked + 6.0
    })
    .await;
    let written = writes(&platform).split_off(before);
    let (refused, done): (Vec<Write>, Vec<Write>) =
        written.into_iter().partition(|write| write.code >= 400);
    assert_eq!(done, [], "{}", operator.said());
    let only_denied =
        |write: &&Write| write.path == "/api/v1/namespaces/albatross-denied/services/api";
    assert_eq!(refused.iter().filter(only_denied).count(), refused.len());
    assert!(refused.len() <= 6, "{refused:#?}");
    for tenant in FAILING {
        let path = format!("/apis/albatross.aero/v1alpha1/tenants/{tenant}/status");
        let all = writes(&platform);
        let patches = all.iter().filter(|write| write.path == path).count();
        assert!((1..=12).contains(&patches), "{tenant}: {patches}");
    }

    mend(&platform).await;
    for tenant in ["beaten", "denied", "deaf"] {
        platform.ready(tenant).await;
    }
    for tenant in FAILING.into_iter().chain(["first"]) {
        platform.remove(tenant).await;
    }
    operator.stop().await;
}

async fn fail(platform: &Platform) {
    platform
        .declare("beaten", json!({"host": "first.example"}))
        .await;
    platform
        .declare(
            "dark",
            json!({"placement": {"postgres": "dark"}, "deletionPolicy": "Retain"}),
        )
        .await;
    platform.declare("denied", json!({})).await;
    platform.airline("deaf", json!({})).await;
    platform
        .runtimes
        .change("deaf", |runtime| runtime.is_away = true);
    platform
        .change("deaf", json!({"displayName": "Deaf Airways"}))
        .await;
    for (tenant, reason) in [
        ("beaten", "HostConflict"),
        ("dark", "DatabaseUnreachable"),
        ("denied", "KubernetesError"),
        ("deaf", "RuntimeUnreachable"),
    ] {
        platform.comes_to(tenant, "Ready", "False", reason).await;
    }
}

/// What can be.
async fn mend(platform: &Platform) {
    platform
        .change("beaten", json!({"host": "beaten.example"}))
        .await;
    platform
        .runtimes
        .change("deaf", |runtime| runtime.is_away = false);
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(platform.client.clone());
    let removed = policies.delete(POLICY, &DeleteParams::default()).await;
    removed.unwrap();
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(platform.client.clone());
    let removed = bindings.delete(POLICY, &DeleteParams::default()).await;
    removed.unwrap();
}

/// A policy of the cluster refuses Services of one tenant, as any webhook might.
async fn deny(platform: &Platform) {
    let label = json!({"matchLabels": {"albatross.aero/tenant": "denied"}});
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": POLICY},
        "spec": {
            "matchConstraints": {"objectSelector": label, "resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["services"],
            }]},
            "validations": [{"expression": "false", "message": "no Service for you"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": POLICY}, "spec": {"policyName": POLICY, "validationActions": ["Deny"]},
    });
    let (client, parameters) = (platform.client.clone(), PatchParams::apply("tests"));
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let applied = policies
        .patch(POLICY, &parameters, &Patch::Apply(policy))
        .await;
    applied.unwrap();
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    let applied = bindings
        .patch(POLICY, &parameters, &Patch::Apply(binding))
        .await;
    applied.unwrap();
    let services: Api<Service> = Api::namespaced(client, "default");
    let labels = json!({"albatross.aero/tenant": "denied"});
    let probe =
        json!({"metadata": {"name": "probe", "labels": labels}, "spec": {"ports": [{"port": 80}]}});
    let probe: Service = serde_json::from_value(probe).unwrap();
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    until("the policy is in force", async || {
        services.create(&dry, &probe).await.is_err()
    })
    .await;
}
