//! What somebody changes or deletes by hand comes back as it is declared.

use std::collections::BTreeSet;

use albatross_operator::context::kinds::child_kinds;
use albatross_tests::platform::Platform;
use albatross_tests::wait::{recovered, until};
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams,
    PostParams,
};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::noop::everything;

const HOME: &str = "albatross-drifting";

/// Kind, name and change.
fn changes() -> Vec<(&'static str, &'static str, Value)> {
    let labels = json!({"matchLabels": {"only": "these"}});
    let stranger =
        json!([{"kind": "User", "name": "mallory", "apiGroup": "rbac.authorization.k8s.io"}]);
    vec![
        ("Deployment", "worker", json!({"spec": {"replicas": 5}})),
        (
            "Deployment",
            "worker",
            json!({"spec": {"strategy": {"rollingUpdate": {"maxUnavailable": 1}}}}),
        ),
        (
            "HorizontalPodAutoscaler",
            "api",
            json!({"spec": {"maxReplicas": 50}}),
        ),
        (
            "Ingress",
            "api",
            json!({"spec": {"rules": [{"host": "mallory.example"}]}}),
        ),
        (
            "LimitRange",
            "albatross",
            json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "64"}}]}}),
        ),
        (
            "NetworkPolicy",
            "default-deny",
            json!({"spec": {"podSelector": labels}}),
        ),
        (
            "NetworkPolicy",
            "default-deny",
            json!({"spec": {"egress": [{}]}}),
        ),
        (
            "NetworkPolicy",
            "allow-api",
            json!({"spec": {"ingress": [{}]}}),
        ),
        (
            "PodDisruptionBudget",
            "api",
            json!({"spec": {"maxUnavailable": 3}}),
        ),
        (
            "ResourceQuota",
            "albatross",
            json!({"spec": {"hard": {"pods": "999"}}}),
        ),
        ("RoleBinding", "owners", json!({"subjects": stranger})),
        (
            "Service",
            "api",
            json!({"spec": {"selector": {"only": "these"}}}),
        ),
        (
            "ServiceAccount",
            "runtime",
            json!({"automountServiceAccountToken": true}),
        ),
    ]
}

/// Kind, name and what somebody adds that the operator does not declare.
fn additions() -> Vec<(&'static str, &'static str, Value)> {
    let pods = |spec: Value| json!({"spec": {"template": {"spec": spec}}});
    let api = |more: Value| {
        let mut container = more;
        container["name"] = json!("api");
        pods(json!({"containers": [container]}))
    };
    vec![
        ("Deployment", "api", api(json!({"command": ["/bin/sh"]}))),
        (
            "Deployment",
            "api",
            api(json!({"env": [{"name": "DATABASE_URL", "value": "postgres://mallory.example"}]})),
        ),
        (
            "Deployment",
            "api",
            pods(json!({"containers": [{"name": "miner", "image": "miner.example/miner"}]})),
        ),
        (
            "Deployment",
            "worker",
            pods(json!({"initContainers": [{"name": "miner", "image": "miner.example/miner"}]})),
        ),
        ("Deployment", "api", pods(json!({"hostNetwork": true}))),
        ("Deployment", "api", json!({"spec": {"paused": true}})),
        (
            "Service",
            "api",
            json!({"spec": {"externalIPs": ["192.0.2.7"]}}),
        ),
        ("Service", "api", json!({"spec": {"type": "NodePort"}})),
        (
            "Ingress",
            "api",
            json!({"spec": {"defaultBackend": {"service": {"name": "mallory", "port": {"number": 80}}}}}),
        ),
        (
            "ResourceQuota",
            "albatross",
            json!({"spec": {"hard": {"services": "0"}}}),
        ),
    ]
}

#[tokio::test]
async fn what_somebody_added_is_taken_away_but_for_labels_and_annotations() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("drifting", everything()).await;
    for (kind, name, addition) in additions() {
        let objects = objects(&platform, HOME, kind);
        let before = objects.get(name).await.unwrap();
        let patch = Patch::Strategic(&addition);
        let changed = objects.patch(name, &PatchParams::default(), &patch).await;
        assert_ne!(declared(&changed.unwrap()), declared(&before), "{kind}");
        until(&format!("{addition} is gone"), async || {
            declared(&objects.get(name).await.unwrap()) == declared(&before)
        })
        .await;
    }
    platform.ready("drifting").await;

    // As `kubectl rollout restart` does, and somebody who keeps an inventory.
    let deployments = objects(&platform, HOME, "Deployment");
    let note = json!({"tests.example/noted": "yes"});
    let noted = json!({
        "metadata": {"labels": note, "annotations": note},
        "spec": {"template": {"metadata": {"annotations": note}}},
    });
    let noted = deployments
        .patch("api", &PatchParams::default(), &Patch::Strategic(&noted))
        .await;
    let noted = declared(&noted.unwrap());
    // Something else that is put right, by which it is known that all was looked at.
    let scaled = json!({"spec": {"replicas": 5}});
    let worker = declared(&deployments.get("worker").await.unwrap());
    deployments
        .patch("worker", &PatchParams::default(), &Patch::Merge(&scaled))
        .await
        .unwrap();
    until("the other one is as it was", async || {
        declared(&deployments.get("worker").await.unwrap()) == worker
    })
    .await;
    assert_eq!(declared(&deployments.get("api").await.unwrap()), noted);
    platform.ready("drifting").await;
    platform.remove("drifting").await;
    operator.stop().await;
}

#[tokio::test]
async fn what_is_added_and_hidden_at_once_is_taken_away() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("hiding", json!({})).await;
    let services = objects(&platform, "albatross-hiding", "Service");
    let before = declared(&services.get("api").await.unwrap());
    for hidden in [
        json!({"labels": {"albatross.aero/tenant": null}}),
        // The server forgets who owns which field.
        json!({"managedFields": [{}]}),
    ] {
        let change = json!({"metadata": hidden, "spec": {"externalIPs": ["192.0.2.7"]}});
        let patch = Patch::Merge(&change);
        let changed = services
            .patch("api", &PatchParams::default(), &patch)
            .await
            .unwrap();
        assert_ne!(declared(&changed), before);
        until(&format!("{change} is gone"), async || {
            declared(&services.get("api").await.unwrap()) == before
        })
        .await;
    }
    platform.ready("hiding").await;
    platform.remove("hiding").await;
    operator.stop().await;
}

/// Makes an object another one that its kind's own rules let nobody change back.
type Decide = fn(&mut Value);

const DECIDED: [(&str, &str, Decide); 3] = [
    ("Deployment", "api", |it| {
        let theirs = json!({"mallory": "s"});
        it["spec"]["template"]["metadata"]["labels"] = theirs.clone();
        it["spec"]["selector"]["matchLabels"] = theirs;
    }),
    ("Service", "api", |it| {
        it["spec"]["clusterIP"] = json!("None");
        it["spec"]["clusterIPs"] = json!(["None"]);
    }),
    ("RoleBinding", "owners", |it| {
        it["roleRef"]["name"] = json!("admin");
    }),
];

#[tokio::test]
async fn what_cannot_become_as_it_is_declared_is_made_anew() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let owners = json!([{"kind": "User", "name": "amelie"}]);
    platform.airline("decided", json!({"owners": owners})).await;
    operator.stop().await;
    let home = "albatross-decided";
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), home);
    let copy = secrets.get("albatross-api").await.unwrap();
    let fixed = json!({"immutable": true, "data": {"DATABASE_URL": "bWFsbG9yeQ=="}});
    secrets
        .patch(
            "albatross-api",
            &PatchParams::default(),
            &Patch::Merge(&fixed),
        )
        .await
        .unwrap();
    let mut before = Vec::new();
    for (kind, name, decide) in DECIDED {
        let objects = objects(&platform, home, kind);
        let live = objects.get(name).await.unwrap();
        let mut theirs = live.clone();
        decide(&mut theirs.data);
        // Without labels, by which the operator would see it.
        theirs.metadata = ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        };
        objects
            .delete(name, &DeleteParams::background())
            .await
            .unwrap();
        objects
            .create(&PostParams::default(), &theirs)
            .await
            .unwrap();
        before.push((objects, name, declared(&live)));
    }
    let operator = platform.operator().await;
    for (objects, name, before) in before {
        recovered(&format!("{name} is as it was"), async || {
            let now = objects.get_opt(name).await.unwrap();
            let is_headless = |now: &DynamicObject| now.data["spec"]["clusterIP"] == "None";
            now.is_some_and(|now| declared(&now) == before && !is_headless(&now))
        })
        .await;
    }
    recovered("the Secret is as it was", async || {
        let now = secrets.get_opt("albatross-api").await.unwrap();
        now.is_some_and(|now| now.data == copy.data && now.immutable.is_none())
    })
    .await;
    platform.ready("decided").await;
    platform.remove("decided").await;
    operator.stop().await;
}

#[tokio::test]
async fn what_was_changed_or_deleted_by_hand_comes_back() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("drifting", everything()).await;

    let kinds = kinds_served();
    let mut untried: BTreeSet<String> = kinds.iter().map(|kind| kind.kind.clone()).collect();
    // It is there for a moment only.
    untried.remove("Job");
    for (kind, name, change) in changes() {
        untried.remove(kind);
        let objects = objects(&platform, HOME, kind);
        let before = objects.get(name).await.unwrap();
        let patch = Patch::Merge(&change);
        let changed = objects.patch(name, &PatchParams::default(), &patch).await;
        assert_ne!(declared(&changed.unwrap()), declared(&before), "{kind}");
        until(&format!("{kind} {name} is as it was"), async || {
            declared(&objects.get(name).await.unwrap()) == declared(&before)
        })
        .await;
    }
    assert!(untried.is_empty(), "no change of {untried:?} is tried");
    change_the_namespace(&platform).await;

    for kind in kinds {
        let objects = objects(&platform, HOME, &kind.kind);
        let owned = ListParams::default().labels("albatross.aero/tenant=drifting");
        for before in objects.list(&owned).await.unwrap() {
            let name = before.name_any();
            objects
                .delete(&name, &DeleteParams::default())
                .await
                .unwrap();
            until(
                &format!("{} {name} is there again", kind.kind),
                async || {
                    let now = objects.get_opt(&name).await.unwrap();
                    now.is_some_and(|now| {
                        now.uid() != before.uid() && declared(&now) == declared(&before)
                    })
                },
            )
            .await;
        }
    }
    platform.ready("drifting").await;
    platform.remove("drifting").await;
    operator.stop().await;
}

/// The Gateway API is not there; its kind is tried where it is.
fn kinds_served() -> Vec<ApiResource> {
    let mut kinds = child_kinds();
    kinds.retain(|kind| kind.kind != "HTTPRoute");
    kinds
}

async fn change_the_namespace(platform: &Platform) {
    const ENFORCED: &str = "pod-security.kubernetes.io/enforce";
    let namespaces: Api<Namespace> = Api::all(platform.client.clone());
    let open = json!({"metadata": {"labels": {ENFORCED: "privileged"}}});
    let opened = namespaces
        .patch(HOME, &PatchParams::default(), &Patch::Merge(&open))
        .await;
    opened.unwrap();
    until("pods are restricted again", async || {
        namespaces.get(HOME).await.unwrap().labels()[ENFORCED] == "restricted"
    })
    .await;
}

#[tokio::test]
async fn a_copy_of_the_credentials_that_was_deleted_is_there_after_the_next_start() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("copied", json!({})).await;
    operator.stop().await;
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), "albatross-copied");
    let before = secrets.get("albatross-api").await.unwrap().data;
    let deleted = secrets
        .delete("albatross-api", &DeleteParams::default())
        .await;
    deleted.unwrap();
    let operator = platform.operator().await;
    until("the copy is there", async || {
        let now = secrets.get_opt("albatross-api").await.unwrap();
        now.is_some_and(|now| now.data == before)
    })
    .await;
    platform.remove("copied").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_copy_of_the_credentials_that_was_deleted_is_there_again_once_a_pod_lacks_it() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("lacking", json!({})).await;
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), "albatross-lacking");
    let pods: Api<Pod> = Api::namespaced(platform.client.clone(), "albatross-lacking");
    let copies = ["albatross-api", "albatross-migrate"];
    let mut before = Vec::new();
    for copy in copies {
        before.push(secrets.get(copy).await.unwrap().data);
        secrets
            .delete(copy, &DeleteParams::default())
            .await
            .unwrap();
    }
    let (now, all) = (
        DeleteParams::default().grace_period(0),
        ListParams::default(),
    );
    pods.delete_collection(&now, &all).await.unwrap();
    for (copy, before) in copies.into_iter().zip(before) {
        recovered("the copy is there", async || {
            let now = secrets.get_opt(copy).await.unwrap();
            now.is_some_and(|now| now.data == before)
        })
        .await;
    }
    platform.ready("lacking").await;

    // A migration is a pod like any other.
    secrets
        .delete(copies[1], &DeleteParams::default())
        .await
        .unwrap();
    platform
        .change("lacking", json!({"version": "99.0.0"}))
        .await;
    platform.ready("lacking").await;
    platform.remove("lacking").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_namespace_that_somebody_deleted_is_made_again_with_all_that_was_in_it() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("rebuilt", json!({})).await;
    platform.leave_a_mark("rebuilt").await;
    let namespaces: Api<Namespace> = Api::all(platform.client.clone());
    let before = namespaces.get("albatross-rebuilt").await.unwrap().uid();
    crate::deletion::delete_namespace(&platform, "albatross-rebuilt").await;
    until("it is another one", async || {
        let now = namespaces.get_opt("albatross-rebuilt").await.unwrap();
        now.is_some_and(|now| now.uid() != before)
    })
    .await;
    let deployments = objects(&platform, "albatross-rebuilt", "Deployment");
    until("the pods are back", async || {
        let now = deployments.get_opt("api").await.unwrap();
        now.is_some_and(|now| now.data["status"]["availableReplicas"] == 1)
    })
    .await;
    platform.ready("rebuilt").await;
    assert!(platform.has_its_mark("rebuilt").await);
    platform.remove("rebuilt").await;
    operator.stop().await;
}

fn objects(platform: &Platform, namespace: &str, kind: &str) -> Api<DynamicObject> {
    let is_it = |resource: &ApiResource| resource.kind == kind;
    let resource = child_kinds().into_iter().find(is_it).unwrap();
    Api::namespaced_with(platform.client.clone(), namespace, &resource)
}

/// What of an object is declared, and not told by the server or a controller.
fn declared(object: &DynamicObject) -> Value {
    let mut data = object.data.clone();
    if let Some(members) = data.as_object_mut() {
        members.remove("status");
        members.remove("secrets");
    }
    if let Some(spec) = data.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    let mut annotations = object.annotations().clone();
    annotations.remove("deployment.kubernetes.io/revision");
    json!({"labels": object.labels(), "annotations": annotations, "data": data})
}
