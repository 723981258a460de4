//! The chart's operator on a real cluster: real pods, real PostgreSQL, RabbitMQ and Redis, driven by `kubectl`.
//! `make test` brings the cluster; without one these tests fail.
#![allow(clippy::disallowed_methods)] // Names of their own keep runs apart.

mod admins;
mod adoption;
mod airline;
mod api_key;
mod autoscaling;
mod certificates;
mod downtime;
mod hibernation;
mod keys;
mod limits;
mod load;
mod namespaces;
mod newcomer;
mod observe;
mod operator;
mod routes;
mod suspension;

use albatross_tests::airline::Caller;
use albatross_tests::chart::helm;
use albatross_tests::kubectl::{attempt, kubectl, object, secret};
use albatross_tests::wait::until;
use serde_json::Value;

use crate::airline::{Airline, CLUSTER, apply_renamed, examples_are_ready, unique};

fn ids(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("a list has items");
    items
        .iter()
        .filter_map(|item| item["id"].as_str())
        .collect()
}

#[tokio::test]
async fn a_declared_airline_takes_a_recorded_flight_to_its_verdict() {
    let skyways = Airline::declared_like("skyways");
    let pilot = skyways.client();

    let id = skyways.file_a_flight().await;
    let path = format!("/pireps/{id}");
    // A read that names no position may be a moment behind the write.
    until("the flight is submitted", async || {
        pilot.get(&path).await["state"] == "Submitted"
    })
    .await;
    let pirep = pilot.get(&path).await;
    assert_eq!(pirep["track"]["positions"], 2_110);

    let admin = skyways.admin().await;
    let version = pirep["version"].as_i64().expect("an entity has a version");
    assert_eq!(admin.accept(&id, version).await["state"], "Accepted");

    until("the accepted flight is in the pilot's list", async || {
        ids(&pilot.get("/pireps?state=Accepted").await).contains(&id.as_str())
    })
    .await;
    let history = pilot.get(&format!("/pireps/{id}/history")).await;
    let last = history["items"]
        .as_array()
        .and_then(|items| items.last().cloned());
    let said = last.unwrap_or_default()["event"].to_string();
    assert!(said.contains("Accepted"), "the history ends with {said}");
    let track = pilot.get(&format!("/pireps/{id}/track")).await;
    let line = &track["features"][0]["geometry"]["coordinates"];
    assert_eq!(line.as_array().map(Vec::len), Some(2_110));

    let nordwind = Airline::declared_like("nordwind");
    assert!(ids(&nordwind.client().get("/pireps").await).is_empty());
    assert_eq!(
        nordwind.client().status_of(&format!("/pireps/{id}")).await,
        404
    );
    let stranger = Caller::with_key(&nordwind.address(), &nordwind.host(), &skyways.key);
    assert_eq!(stranger.status_of("/pireps").await, 401);
    skyways.remove();
    nordwind.remove();
}

#[test]
fn the_release_passes_its_own_test() {
    let _turn = CLUSTER.blocking_lock();
    let test = ["test", "albatross", "--namespace", "albatross-system"];
    helm(&[&test[..], &["--timeout", "3m"]].concat()).expect("helm test succeeds");
}

#[test]
fn scaling_a_tenant_scales_its_api() {
    let _turn = CLUSTER.blocking_lock();
    examples_are_ready();
    let ready = |replicas: &str| {
        kubectl(&["scale", "tenant/skyways", &format!("--replicas={replicas}")]);
        let until = format!("--for=jsonpath={{.status.api.readyReplicas}}={replicas}");
        kubectl(&["wait", "tenant/skyways", &until, "--timeout=300s"]);
        let deployment = object("albatross-skyways", "deployment/api");
        deployment["status"]["readyReplicas"].to_string()
    };
    assert_eq!(ready("3"), "3");
    assert_eq!(ready("1"), "1");
}

#[tokio::test]
async fn workers_of_their_own_project_what_the_api_takes_and_an_ingress_leads_to_it() {
    let asked = "  exposure:\n    ingress: {className: nginx}\n  worker: {replicas: 1}\n";
    let nordwind = Airline::declared("nordwind", &[("  exposure:\n    none: {}\n", asked)]);
    let worker = object(&nordwind.namespace, "deployment/worker");
    assert_eq!(worker["status"]["readyReplicas"], 1);
    let ingress = object(&nordwind.namespace, "ingress/api");
    let rule = &ingress["spec"]["rules"][0];
    assert_eq!(rule["host"], format!("{}.localhost", nordwind.name));
    let backend = &rule["http"]["paths"][0]["backend"]["service"]["name"];
    assert_eq!(backend, "api");

    let id = nordwind.file_a_flight().await;
    let pilot = nordwind.client();
    until("the worker has projected the flight", async || {
        ids(&pilot.get("/pireps?state=Submitted").await).contains(&id.as_str())
    })
    .await;
    nordwind.remove();
}

#[test]
fn a_wrong_manifest_is_refused_with_field_and_reason() {
    let _turn = CLUSTER.blocking_lock();
    let patch = r#"{"spec": {"icaoCode": "sk1"}}"#;
    examples_are_ready();
    let output = attempt(&["patch", "tenant/skyways", "--type=merge", "--patch", patch]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains("spec.icaoCode") && said.contains("sk1"),
        "{said}"
    );
}

#[test]
fn a_deleted_airline_leaves_its_data_and_credentials() {
    let name = unique("retired");
    let tenant = format!("tenant/{name}");
    apply_renamed("11-nordwind.yaml", "nordwind", &name);
    let ready = ["wait", "--for=condition=Ready", &tenant, "--timeout=300s"];
    kubectl(&ready);
    let id = object("default", &tenant)["status"]["tenantId"].clone();
    kubectl(&["delete", &tenant, "--timeout=300s"]);

    let namespace = format!("namespace/albatross-{name}");
    assert!(!attempt(&["get", &namespace]).status.success());
    let kept = secret("albatross-system", &format!("tenant-{name}"));
    let kept_id = kept
        .iter()
        .any(|(_, value)| Some(value.as_str()) == id.as_str());
    assert!(kept_id, "the retained Secret names the tenant's id");
}
