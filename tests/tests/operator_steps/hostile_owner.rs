//! Somebody with rights in one tenant's namespace who means harm: contained there, told of, and put right.

use std::collections::BTreeMap;

use albatross_crds::ApiKey;
use albatross_tests::api_server::Write;
use albatross_tests::can_i::may;
use albatross_tests::platform::{Platform, condition};
use albatross_tests::wait::{recovered, until};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, ResourceQuota, Secret};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::noop::writes;

const OWN: &str = "albatross-mallorys";
const OTHER: &str = "albatross-neighbours";
const COPIES: [&str; 3] = [
    "albatross-api",
    "albatross-migrate",
    "albatross-admin-links",
];

async fn neighbours() -> Platform {
    let platform = Platform::new().await;
    let owners = json!([{"kind": "User", "name": "mallory"}]);
    // Keys of its own namespace: what is allowed if nothing is said.
    let mallory = json!({"owners": owners, "apiKeys": null});
    platform.declare("mallorys", mallory).await;
    // A selector that is wider than whoever wrote it thought.
    let everywhere = json!({"apiKeys": {"allow": [{"namespaceSelector": {}}]}});
    platform.declare("neighbours", everywhere).await;
    platform
}

/// Of what an owner may do.
const ALLOWED: [&str; 5] = [
    "get pods/log albatross-mallorys -",
    "delete pods albatross-mallorys -",
    "create apikeys.albatross.aero albatross-mallorys -",
    "get secrets albatross-mallorys albatross-admin-links",
    "get deployments.apps albatross-mallorys api",
];
const REFUSED: [&str; 32] = [
    "get secrets albatross-mallorys albatross-api",
    "get secrets albatross-mallorys albatross-migrate",
    "list secrets albatross-mallorys -",
    "create secrets albatross-mallorys -",
    "patch secrets albatross-mallorys albatross-admin-links",
    "delete secrets albatross-mallorys albatross-api",
    "create pods albatross-mallorys -",
    "create pods/exec albatross-mallorys -",
    "create pods/attach albatross-mallorys -",
    "create pods/portforward albatross-mallorys -",
    "patch pods/ephemeralcontainers albatross-mallorys -",
    "create deployments.apps albatross-mallorys -",
    "patch deployments.apps albatross-mallorys api",
    "patch deployments.apps/scale albatross-mallorys api",
    "delete deployments.apps albatross-mallorys api",
    "create jobs.batch albatross-mallorys -",
    "create cronjobs.batch albatross-mallorys -",
    "patch networkpolicies.networking.k8s.io albatross-mallorys default-deny",
    "delete networkpolicies.networking.k8s.io albatross-mallorys default-deny",
    "patch resourcequotas albatross-mallorys albatross",
    "patch services albatross-mallorys api",
    "create serviceaccounts/token albatross-mallorys runtime",
    "create rolebindings.rbac.authorization.k8s.io albatross-mallorys -",
    "patch rolebindings.rbac.authorization.k8s.io albatross-mallorys owners",
    "patch namespaces - albatross-mallorys",
    "delete namespaces - albatross-mallorys",
    "patch tenants.albatross.aero - mallorys",
    "create tenants.albatross.aero - -",
    "get secrets albatross-neighbours albatross-admin-links",
    "list pods albatross-neighbours -",
    "create apikeys.albatross.aero albatross-neighbours -",
    "get secrets albatross-system tenant-mallorys",
];

#[tokio::test]
async fn an_owner_gets_no_further_than_the_pods_and_keys_of_its_own_airline() {
    let platform = neighbours().await;
    let operator = platform.operator().await;
    for tenant in ["mallorys", "neighbours"] {
        platform.ready(tenant).await;
    }
    let mallory = platform.api_server.client_as("mallory");
    for question in ALLOWED {
        assert!(may(&mallory, question).await, "refused: {question}");
    }
    for question in REFUSED {
        assert!(!may(&mallory, question).await, "allowed: {question}");
    }
    let pods: Api<Pod> = Api::namespaced(mallory.clone(), OWN);
    let killed = pods.list(&ListParams::default()).await.unwrap();
    for pod in &killed {
        let deleted = pods.delete(&pod.name_any(), &DeleteParams::default()).await;
        deleted.unwrap();
    }
    until("other pods are there", async || {
        let now = pods.list(&ListParams::default()).await.unwrap();
        let is_new = |pod: &&Pod| killed.iter().all(|old| old.uid() != pod.uid());
        now.iter().filter(is_new).count() == 1
    })
    .await;
    platform.ready("mallorys").await;
    ask_for_too_much(&platform, &mallory).await;
    for tenant in ["mallorys", "neighbours"] {
        platform.ready(tenant).await;
        platform.remove(tenant).await;
    }
    operator.stop().await;
}

/// Keys for another tenant, for others, for more, and under the names of Secrets that are the operator's.
async fn ask_for_too_much(platform: &Platform, mallory: &Client) {
    let before = copies(platform).await;
    let keys: Api<ApiKey> = Api::namespaced(mallory.clone(), OWN);
    let asked = [
        (
            "theirs",
            json!({"tenantRef": {"name": "neighbours"}}),
            "NamespaceNotAllowed",
        ),
        ("staff", json!({"scopes": ["users"]}), "ScopesNotAllowed"),
        (
            "ops",
            json!({"user": "ops@platform.example"}),
            "UserNotAllowed",
        ),
        ("api", json!({"secretName": COPIES[0]}), "InvalidSpec"),
        ("migrate", json!({"secretName": COPIES[1]}), "InvalidSpec"),
        ("links", json!({"secretName": COPIES[2]}), "InvalidSpec"),
    ];
    for (name, change, _) in &asked {
        let mut spec = json!({
            "tenantRef": {"name": "mallorys"}, "scopes": ["pireps:write"], "ttl": "90d", "secretName": name,
        });
        for (field, value) in change.as_object().unwrap() {
            spec[field] = value.clone();
        }
        let key = ApiKey::new(name, serde_json::from_value(spec).unwrap());
        keys.create(&PostParams::default(), &key).await.unwrap();
    }
    for (name, _, reason) in &asked {
        recovered(&format!("key {name} is refused: {reason}"), async || {
            let key = keys.get(name).await.unwrap();
            let mut conditions = key.status.iter().flat_map(|status| &status.conditions);
            conditions.any(|it| it.type_ == "Ready" && it.status == "False" && it.reason == *reason)
        })
        .await;
    }
    assert_eq!(platform.runtimes.of("neighbours").keys.len(), 0);
    for (name, ..) in &asked {
        keys.delete(name, &DeleteParams::default()).await.unwrap();
        recovered("the key is gone", async || {
            keys.get_opt(name).await.unwrap().is_none()
        })
        .await;
        assert_eq!(platform.secret(OWN, name).await, None);
    }
    assert_eq!(copies(platform).await, before);
}

/// The tenant's Secrets in its namespace.
async fn copies(platform: &Platform) -> Vec<BTreeMap<String, String>> {
    let mut all = Vec::new();
    for name in COPIES {
        all.push(platform.secret(OWN, name).await.unwrap());
    }
    all
}

#[tokio::test]
async fn an_owner_who_declares_keys_without_end_is_refused_by_the_api_server_from_some_number_on() {
    const BOUND: &str = "count/apikeys.albatross.aero";
    let platform = neighbours().await;
    // Who reckons what there is: without it, the API server holds nobody to a quota.
    let reckoning = platform.api_server.controller("resourcequota-controller");
    let operator = platform.operator().await;
    platform.ready("mallorys").await;
    let quotas: Api<ResourceQuota> = Api::namespaced(platform.client.clone(), OWN);
    recovered("it is known that there is none", async || {
        let quota = quotas.get_opt("albatross").await.unwrap();
        let used = quota.and_then(|quota| quota.status?.used);
        used.is_some_and(|used| used.get(BOUND).is_some_and(|used| used.0 == "0"))
    })
    .await;
    let mallory = platform.api_server.client_as("mallory");
    let keys: Api<ApiKey> = Api::namespaced(mallory, OWN);
    let (mut made, mut refused) = (0, None);
    while refused.is_none() && made < 300 {
        // Such as are not even admitted.
        let spec = json!({
            "tenantRef": {"name": "neighbours"}, "scopes": ["pireps:write"], "ttl": "90d", "secretName": "flood",
        });
        let key = ApiKey::new(
            &format!("flood-{made}"),
            serde_json::from_value(spec).unwrap(),
        );
        match keys.create(&PostParams::default(), &key).await {
            Ok(_) => made += 1,
            Err(cause) => refused = Some(cause.to_string()),
        }
    }
    let refused = refused.unwrap();
    assert!(refused.contains("exceeded quota: albatross"), "{refused}");
    assert_eq!(made, 100);
    for tenant in ["mallorys", "neighbours"] {
        platform.ready(tenant).await;
        platform.remove(tenant).await;
    }
    operator.stop().await;
    drop(reckoning);
}

/// Such as a cluster administrator, or a person whom one gave every right in that namespace.
#[tokio::test]
async fn whoever_has_every_right_in_a_namespace_harms_no_other_and_what_they_did_is_told_and_put_right()
 {
    let platform = neighbours().await;
    let operator = platform.operator().await;
    for tenant in ["mallorys", "neighbours"] {
        platform.ready(tenant).await;
    }
    let before = writes(&platform).len();
    let looked = operator.reconciliations().await;
    look_alikes(&platform).await;
    recovered("the look-alikes were seen", async || {
        operator.reconciliations().await >= looked + 2.0
    })
    .await;
    give_themselves_a_role(&platform).await;
    let there = |write: &&Write| write.path.contains(OTHER);
    let written = writes(&platform).split_off(before);
    assert_eq!(written.iter().filter(there).count(), 0, "{written:#?}");

    let right = copies(&platform).await;
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), OWN);
    for copy in &COPIES[..2] {
        let bent = json!({"stringData": {"DATABASE_URL": "postgres://mallory.example/all"}});
        let (parameters, bent) = (PatchParams::default(), Patch::Merge(&bent));
        secrets.patch(copy, &parameters, &bent).await.unwrap();
    }
    // Copies are looked at once a day, and at every start.
    operator.stop().await;
    let operator = platform.operator().await;
    recovered("the copies are right again", async || {
        copies(&platform).await == right
    })
    .await;
    let events: Api<Event> = Api::all(platform.client.clone());
    recovered("somebody is told", async || {
        let events = events.list(&ListParams::default()).await.unwrap();
        let mut told = events
            .iter()
            .filter(|it| it.reason.as_deref() == Some("CopyAltered"));
        told.any(|it| {
            it.regarding
                .as_ref()
                .is_some_and(|it| it.name.as_deref() == Some("mallorys"))
        })
    })
    .await;
    for tenant in ["mallorys", "neighbours"] {
        platform.ready(tenant).await;
        platform.remove(tenant).await;
    }
    operator.stop().await;
}

/// Objects that pass for the operator's own, of this tenant and of the other.
async fn look_alikes(platform: &Platform) {
    let deployments: Api<Deployment> = Api::namespaced(platform.client.clone(), OWN);
    let genuine = deployments.get("api").await.unwrap();
    for (name, tenant) in [("fake-own", "mallorys"), ("fake-other", "neighbours")] {
        let mut fake = genuine.clone();
        fake.metadata.name = Some(name.to_owned());
        fake.metadata.resource_version = None;
        fake.metadata.uid = None;
        fake.metadata.managed_fields = None;
        fake.labels_mut()
            .insert("albatross.aero/tenant".to_owned(), tenant.to_owned());
        let created = deployments.create(&PostParams::default(), &fake).await;
        created.unwrap();
    }
    // What passes for this tenant's own goes with what this tenant no longer wants.
    recovered("the false Deployment is gone", async || {
        deployments.get_opt("fake-own").await.unwrap().is_none()
    })
    .await;
    let tenant = platform.ready("neighbours").await;
    let ready = condition(&tenant, "Ready").unwrap();
    assert_eq!(ready.status, "True");
    assert!(deployments.get_opt("fake-other").await.unwrap().is_some());
}

/// A binding of the name of the operator's, that gives another role: it cannot be changed, only made anew.
async fn give_themselves_a_role(platform: &Platform) {
    let bindings: Api<RoleBinding> = Api::namespaced(platform.client.clone(), OWN);
    let genuine = bindings.get("owners").await.unwrap();
    let mut false_one = genuine.clone();
    false_one.role_ref.name = "admin".to_owned();
    false_one.metadata.resource_version = None;
    false_one.metadata.uid = None;
    false_one.metadata.managed_fields = None;
    let deleted = bindings.delete("owners", &DeleteParams::default()).await;
    deleted.unwrap();
    recovered("the false binding stands", async || {
        // The operator may have made the right one again before.
        let _gone = bindings.delete("owners", &DeleteParams::default()).await;
        bindings
            .create(&PostParams::default(), &false_one)
            .await
            .is_ok()
    })
    .await;
    recovered("the owners have their own role and no other", async || {
        let now = bindings.get_opt("owners").await.unwrap();
        now.is_some_and(|now| now.role_ref == genuine.role_ref && now.subjects == genuine.subjects)
    })
    .await;
}
