//! What a tenant's namespace lets its owners do and see, and lets run besides the airline, whoever declares it.

use std::process::Output;

use albatross_tests::chart::NAMESPACE;
use albatross_tests::kubectl::{attempt, attempt_with, kubectl};
use albatross_tests::wait::recovered;
use serde_json::{Value, json};

use crate::airline::{Airline, CLIENTS};

const OWNER: &str = "mallory";
const TEAM: &str = "operations";

/// What the owner is told who declares such a pod, or nothing.
fn refusal(airline: &Airline, pod: &Value, container: &Value) -> Option<String> {
    let mut spec = json!({"containers": [{"name": "main", "image": "localhost/pause:1"}]});
    merge(&mut spec, pod);
    merge(&mut spec["containers"][0], container);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "own"}, "spec": spec});
    let namespace = ["--as", OWNER, "--namespace", &airline.namespace];
    let create = ["create", "--dry-run=server"];
    said(&attempt_with(&pod, &[&namespace[..], &create].concat()))
}

/// What it says who is refused.
fn said(output: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then_some(said)
}

fn merge(into: &mut Value, members: &Value) {
    for (name, member) in members.as_object().expect("members") {
        into[name] = member.clone();
    }
}

/// What somebody is told who asks for that, or nothing; `who` are such as `--as mallory`.
fn asked(who: &[&str], namespace: &str, what: &[&str]) -> Option<String> {
    said(&attempt(&[who, &["--namespace", namespace], what].concat()))
}

/// Who looks after the airline: sees how it does, fetches what was made for people, and begins pods anew.
async fn looks_after(who: &[&str], airline: &Airline) {
    for what in [
        &["get", "pods,services,events,resourcequotas,limitranges"][..],
        &["get", "deployments,replicasets,jobs,ingresses"],
        &["get", "networkpolicies,horizontalpodautoscalers"],
        &["logs", "deployment/api"],
        &["get", "secret/albatross-admin-links"],
        &["get", "apikeys"],
    ] {
        let refused = asked(who, &airline.namespace, what);
        assert_eq!(refused, None, "{who:?} asks for {what:?}");
    }
    let before = airline.pods();
    let pod = before.first().expect("a pod");
    let deleted = asked(who, &airline.namespace, &["delete", "pod", pod]);
    assert_eq!(deleted, None);
    recovered("another pod serves", async || {
        airline.pods().is_disjoint(&before) && airline.deployment()["status"]["readyReplicas"] == 1
    })
    .await;
}

/// Nothing by which one could act for the airline, change it or see another's.
fn opens_nothing(who: &[&str], airline: &Airline) {
    let (own, name) = (airline.namespace.as_str(), airline.name.as_str());
    let (record, acars) = (format!("tenant-{name}"), format!("{name}-acars"));
    for (namespace, what) in [
        (own, &["get", "secrets"][..]),
        (own, &["get", "secret/albatross-api"]),
        (own, &["get", "secret/albatross-migrate"]),
        (
            own,
            &["exec", "deployment/api", "--", "/albatross", "--version"],
        ),
        (own, &["scale", "deployment/api", "--replicas=2"]),
        (own, &["delete", "networkpolicies", "--all"]),
        (own, &["delete", "limitranges", "--all"]),
        (NAMESPACE, &["get", "secret", &record]),
        (NAMESPACE, &["get", "pods"]),
        (CLIENTS, &["get", "secret", &acars]),
        ("default", &["get", "tenants"]),
    ] {
        let said = asked(who, namespace, what);
        let said = said.unwrap_or_else(|| panic!("{who:?} may {what:?} in {namespace}"));
        assert!(said.contains("forbidden"), "{what:?}: {said}");
    }
}

async fn owners_look_after_it_until_they_are_taken_off_the_list(airline: &Airline) {
    let owner = ["--as", OWNER];
    let of_team = ["--as", "grace", "--as-group", TEAM];
    let get = ["get", "pods"];
    for who in [&owner[..], &of_team] {
        recovered("the owners are let in", async || {
            asked(who, &airline.namespace, &get).is_none()
        })
        .await;
        looks_after(who, airline).await;
        opens_nothing(who, airline);
    }
    opens_nothing(&["--as", "grace"], airline);
    airline.change(json!({"owners": [{"kind": "Group", "name": TEAM}]}));
    recovered("who is no owner any more sees nothing", async || {
        asked(&owner, &airline.namespace, &get).is_some_and(|said| said.contains("forbidden"))
    })
    .await;
    assert_eq!(asked(&of_team, &airline.namespace, &get), None);
    let both = json!([{"kind": "User", "name": OWNER}, {"kind": "Group", "name": TEAM}]);
    airline.change(json!({ "owners": both }));
    recovered("who is an owner again is let in", async || {
        asked(&owner, &airline.namespace, &get).is_none()
    })
    .await;
}

#[tokio::test]
async fn owners_look_after_their_namespace_and_run_no_privileged_pod_even_with_the_right_to() {
    let unexposed = "  exposure:\n    none: {}\n";
    let owners = format!("[{{kind: User, name: {OWNER}}}, {{kind: Group, name: {TEAM}}}]");
    let owned = format!("{unexposed}  owners: {owners}\n");
    let airline = Airline::declared("skyways", &[(unexposed, &owned)]);
    owners_look_after_it_until_they_are_taken_off_the_list(&airline).await;
    runs_no_privileged_pod(&airline).await;
    airline.remove();
}

/// As the owner, who has been given more than owners have.
async fn runs_no_privileged_pod(airline: &Airline) {
    let restricted = json!({"securityContext": {
        "allowPrivilegeEscalation": false, "runAsNonRoot": true, "runAsUser": 65532,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
    }});
    let nothing = json!({});
    let said = refusal(airline, &nothing, &restricted).expect("owners run no pods");
    assert!(said.contains(r#"cannot create resource "pods""#), "{said}");

    // As if somebody had given more than owners have.
    let binding = ["create", "rolebinding", "more", "--clusterrole=edit"];
    let to = ["--user", OWNER, "--namespace", &airline.namespace];
    kubectl(&[binding, to].concat());
    // The authorizer hears of it a moment later.
    recovered("what keeps to the profile may run", async || {
        refusal(airline, &nothing, &restricted).is_none()
    })
    .await;

    let privileged = json!({"securityContext": {"privileged": true}});
    let host = json!({"volumes": [{"name": "host", "hostPath": {"path": "/"}}]});
    for (pod, container, why) in [
        (&nothing, &privileged, "privileged"),
        (&nothing, &nothing, "runAsNonRoot"),
        (&host, &restricted, "restricted volume types"),
        (
            &json!({"hostNetwork": true}),
            &restricted,
            "host namespaces",
        ),
    ] {
        let said = refusal(airline, pod, container);
        let said = said.unwrap_or_else(|| panic!("a pod is let in: {why}"));
        let profile = r#"violates PodSecurity "restricted:latest""#;
        assert!(said.contains(profile) && said.contains(why), "{said}");
    }
}
