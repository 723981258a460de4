//! What fails for ever is tried again for ever, and costs next to nothing meanwhile.

use albatross_crds::conditions::{ConditionType, find, is_true};
use albatross_tests::api_server::Write;
use albatross_tests::can_i::may;
use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{CLIENTS, Platform, Setting, Ways, condition};
use albatross_tests::processes::free_port;
use albatross_tests::servers::servers;
use albatross_tests::wait::{recovered, until};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::noop::writes;

const POLICY: &str = "tests-denied";
/// Refused as well, once the policy is in force.
const PROBE: &str = "services default/probe";
/// Why each of them fails: an older tenant has its host, its server is away, the cluster refuses an object, its record or
/// the end of its namespace, the operator's rights there are gone, its runtime does not answer.
const FAILING: [&str; 7] = [
    "beaten",
    "dark",
    "denied",
    "unclaimed",
    "held",
    "blind",
    "deaf",
];
/// What the cluster refuses, by kind, namespace and name.
const DENIED: [&str; 4] = [
    "services albatross-denied/api",
    "secrets albatross-system/tenant-unclaimed",
    "secrets airline-clients/denied",
    "namespaces /albatross-held",
];
/// Where each of that is asked for again and again.
const ASKED: [&str; 4] = [
    "/api/v1/namespaces/albatross-denied/services/api",
    "/api/v1/namespaces/albatross-system/secrets",
    "/api/v1/namespaces/airline-clients/secrets",
    "/api/v1/namespaces/albatross-held",
];

#[tokio::test]
async fn what_fails_for_ever_is_looked_at_again_and_again_and_nothing_is_written() {
    let mut setting = Setting::straight().await;
    let ways = Ways {
        postgres: format!("postgres://127.0.0.1:{}", free_port()),
        ..Ways::straight(servers().await)
    };
    setting.ways.push(("dark", ways));
    let platform = Platform::with(setting).await;
    platform.client_namespace().await;
    deny(&platform).await;
    let operator = platform.operator().await;
    platform.airline("first", json!({})).await;
    fail(&platform).await;

    let before = writes(&platform).len();
    let looked = operator.reconciliations().await;
    let mut written = Vec::new();
    recovered("they are looked at again", async || {
        written = writes(&platform).split_off(before);
        let is_asked = |path: &&str| written.iter().any(|write| write.path == *path);
        operator.reconciliations().await >= looked + 10.0 && ASKED.iter().all(is_asked)
    })
    .await;
    let (refused, done): (Vec<Write>, Vec<Write>) =
        written.into_iter().partition(|write| write.code >= 400);
    assert_eq!(done, [], "{}", operator.said());
    for path in ASKED {
        let times = refused.iter().filter(|write| write.path == path).count();
        assert!(times <= 6, "{path}: {refused:#?}");
    }
    let is_known = |write: &Write| ASKED.contains(&write.path.as_str());
    assert!(refused.iter().all(is_known), "{refused:#?}");
    let all = writes(&platform);
    let group = "/apis/albatross.aero/v1alpha1";
    let tenants = FAILING.map(|tenant| format!("{group}/tenants/{tenant}/status"));
    let key = format!("{group}/namespaces/{CLIENTS}/apikeys/denied/status");
    for path in tenants.into_iter().chain([key]) {
        let patches = all.iter().filter(|write| write.path == path).count();
        assert!((1..=12).contains(&patches), "{path}: {patches}");
    }

    mend(&platform).await;
    for tenant in ["beaten", "denied", "unclaimed", "blind", "deaf"] {
        platform.ready(tenant).await;
    }
    platform.key_comes_to("denied", "True", "Available").await;
    platform.remove_key("denied").await;
    recovered("the tenant is gone", async || {
        platform.tenant("held").await.is_none()
    })
    .await;
    let left = FAILING.into_iter().filter(|tenant| *tenant != "held");
    for tenant in left.chain(["first"]) {
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
    for tenant in ["denied", "unclaimed"] {
        platform.declare(tenant, json!({})).await;
    }
    platform.declare_key("denied", "first", json!({})).await;
    for tenant in ["held", "blind", "deaf"] {
        platform.airline(tenant, json!({})).await;
    }
    let tenants = platform.tenants();
    let deleted = tenants.delete("held", &DeleteParams::default()).await;
    deleted.unwrap();
    platform.change("blind", json!({"mode": "Observe"})).await;
    platform.ready("blind").await;
    unbind(platform, "blind").await;
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
        ("unclaimed", "KubernetesError"),
        ("held", "Deleting"),
        ("blind", "KubernetesError"),
        ("deaf", "RuntimeUnreachable"),
    ] {
        let tenant = platform.comes_to(tenant, "Ready", "False", reason).await;
        goes_on(&tenant.status.unwrap().conditions, reason == "HostConflict");
    }
    let held = platform
        .comes_to("held", "DeletionBlocked", "True", "Deleting")
        .await;
    let message = condition(&held, "DeletionBlocked").unwrap().message;
    assert!(message.contains("not this one"), "{message}");
    let key = platform
        .key_comes_to("denied", "False", "KubernetesError")
        .await;
    let conditions = key.status.unwrap().conditions;
    let message = &find(&conditions, ConditionType::Ready).unwrap().message;
    assert!(message.contains("not this one"), "{message}");
    goes_on(&conditions, false);
}

/// Takes the operator's rights in a tenant's namespace away, and has it look there.
async fn unbind(platform: &Platform, tenant: &str) {
    let namespace = format!("albatross-{tenant}");
    let bindings: Api<RoleBinding> = Api::namespaced(platform.client.clone(), &namespace);
    let parameters = DeleteParams::default();
    let unbound = bindings.delete("albatross-operator", &parameters).await;
    unbound.unwrap();
    let account = format!("system:serviceaccount:{NAMESPACE}:albatross-operator");
    let account = platform.api_server.client_as(&account);
    let question = format!("get secrets {namespace} -");
    until("the operator may not read there", async || {
        !may(&account, &question).await
    })
    .await;
    let name = json!({"displayName": "Blind Airways"});
    platform.change(tenant, name).await;
}

/// As tools see it that wait: in progress, or failed until somebody changes something.
fn goes_on(conditions: &[Condition], has_failed: bool) {
    let holds = |kind| is_true(conditions, kind);
    let seen = (
        holds(ConditionType::Reconciling),
        holds(ConditionType::Stalled),
    );
    assert_eq!(seen, (!has_failed, has_failed), "{conditions:?}");
}

/// What can be.
async fn mend(platform: &Platform) {
    platform
        .change("beaten", json!({"host": "beaten.example"}))
        .await;
    platform.change("blind", json!({"mode": "Apply"})).await;
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

/// A policy of the cluster refuses some objects, as any webhook might.
async fn deny(platform: &Platform) {
    let denied = DENIED.into_iter().chain([PROBE]).collect::<Vec<_>>();
    let rule = |operations: &[&str], resources: &[&str]| {
        json!({
            "apiGroups": [""], "apiVersions": ["v1"], "operations": operations, "resources": resources,
        })
    };
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": POLICY},
        "spec": {
            "matchConstraints": {"resourceRules": [
                rule(&["CREATE", "UPDATE"], &["services", "secrets"]), rule(&["DELETE"], &["namespaces"]),
            ]},
            "variables": [
                {"name": "of", "expression": "(request.operation == 'DELETE' ? oldObject : object).metadata"},
                {"name": "home", "expression": "has(variables.of.namespace) ? variables.of.namespace : ''"},
            ],
            "validations": [{
                "expression": format!(
                    "!(request.resource.resource + ' ' + variables.home + '/' + variables.of.name in {})",
                    json!(denied)
                ),
                "message": "not this one",
            }],
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
    let probe = json!({"metadata": {"name": "probe"}, "spec": {"ports": [{"port": 80}]}});
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
