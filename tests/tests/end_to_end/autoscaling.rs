//! The cluster's own autoscaler, which measures real pods, or somebody else's, and the operator beside it.

use std::collections::BTreeSet;
use std::time::Duration;

use albatross_tests::kubectl::{attempt, kubectl};
use albatross_tests::wait::{recovered, until_in};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use crate::airline::Airline;

/// Milliseconds of CPU per second that each pod asks for; the load to aim at is all of it.
const REQUESTED: u32 = 10;
/// Most pods.
const MOST: usize = 3;
/// Requests under way at once, and how often one begins at most: together what the rate limit of one key allows.
const READERS: usize = 4;
const PACE: Duration = Duration::from_millis(220);
/// Autoscalers that are set up as usual look four times a minute, and only at what was measured twice.
const SCALED: Duration = Duration::from_secs(300);

/// By the metrics API.
fn used(airline: &Airline) -> Option<u32> {
    let namespace = &airline.namespace;
    let top = attempt(&["--namespace", namespace, "top", "pods", "--no-headers"]);
    let lines = String::from_utf8_lossy(&top.stdout).into_owned();
    let used = lines.split_whitespace().nth(1)?;
    used.strip_suffix('m')?.parse().ok()
}

fn metrics_are_served() {
    let service = attempt(&["get", "apiservice", "v1beta1.metrics.k8s.io"]);
    assert!(
        service.status.success(),
        "this cluster has no metrics API, by which an autoscaler measures: install metrics-server"
    );
}

fn autoscaler(airline: &Airline) -> Value {
    let found = attempt(&[
        "--namespace",
        &airline.namespace,
        "get",
        "horizontalpodautoscaler/api",
        "--ignore-not-found",
        "--output=json",
    ]);
    assert!(found.status.success(), "the autoscaler can be read");
    serde_json::from_slice(&found.stdout).unwrap_or_default()
}

/// Reads a whole track again and again until it is dropped.
fn load(airline: &Airline, flight: &str) -> Vec<AbortOnDropHandle<()>> {
    let path = format!("/pireps/{flight}/track");
    let reader = || {
        let (client, path) = (airline.client(), path.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            let mut pace = tokio::time::interval(PACE);
            loop {
                pace.tick().await;
                let answer = client.request(Method::GET, &path).send().await;
                // Pods come and go, and connections with them.
                match answer.and_then(Response::error_for_status) {
                    Ok(track) => drop(track.bytes().await),
                    Err(cause) if cause.status().is_some_and(|it| it.is_client_error()) => {
                        panic!("the load is refused: {cause}")
                    }
                    Err(cause) => eprintln!("the load goes on: {cause}"),
                }
            }
        }))
    };
    (0..READERS).map(|_| reader()).collect()
}

async fn runs(airline: &Airline, pods: usize, load: &[AbortOnDropHandle<()>]) {
    until_in(SCALED, &format!("{pods} pods serve"), async || {
        assert!(
            !load.iter().any(AbortOnDropHandle::is_finished),
            "the load goes on"
        );
        let deployment = airline.deployment();
        deployment["spec"]["replicas"] == pods && deployment["status"]["readyReplicas"] == pods
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_follow_the_load_through_a_rollout_and_the_declared_number_once_that_decides() {
    metrics_are_served();
    let unexposed = "  exposure:\n    none: {}\n";
    let requests = |memory| json!({"requests": {"cpu": format!("{REQUESTED}m"), "memory": memory}});
    let small = format!(
        "{unexposed}  api: {}\n",
        json!({"resources": requests("48Mi")})
    );
    let airline = Airline::declared("skyways", &[(unexposed, &small)]);
    let flight = airline.file_a_flight().await;
    until_in(SCALED, "the pod is measured, and idle", async || {
        used(&airline).is_some_and(|used| used < REQUESTED)
    })
    .await;

    let bounds =
        json!({"minReplicas": 1, "maxReplicas": MOST, "targetCPUUtilizationPercentage": 100});
    airline.change(json!({"api": {"autoscaling": bounds}}));
    airline.is_ready("Available").await;
    until_in(SCALED, "the autoscaler has measured", async || {
        let status = &autoscaler(&airline)["status"];
        status["currentMetrics"][0]["resource"]["current"]["averageUtilization"].is_number()
    })
    .await;
    recovered("it is idle", async || {
        airline.deployment()["spec"]["replicas"] == 1
    })
    .await;
    let load = load(&airline, &flight);
    runs(&airline, MOST, &load).await;
    // For five minutes an autoscaler goes by the most that it has seen.
    drop(load);

    // Neither rolling all pods nor the scale subresource takes back what the autoscaler gave.
    let before = airline.pods();
    airline.change(json!({"api": {"replicas": 2, "resources": requests("56Mi")}}));
    let mut numbers = BTreeSet::new();
    recovered("no pod is left of before", async || {
        numbers.insert(airline.deployment()["spec"]["replicas"].to_string());
        let pods = airline.pods();
        pods.len() == MOST && pods.is_disjoint(&before)
    })
    .await;
    airline.is_ready("Available").await;
    assert_eq!(numbers, BTreeSet::from([MOST.to_string()]));
    assert_eq!(airline.tenant()["status"]["api"]["readyReplicas"], MOST);

    airline.change(json!({"api": {"replicas": 1, "autoscaling": null}}));
    airline.is_ready("Available").await;
    runs(&airline, 1, &[]).await;
    recovered("the autoscaler is gone", async || {
        autoscaler(&airline).is_null()
    })
    .await;
    airline.remove();
}

#[tokio::test]
async fn whoever_scales_from_outside_is_left_alone() {
    let airline = Airline::declared_like("skyways");
    airline.change(json!({"api": {"autoscaling": {"external": true}}}));
    airline.is_ready("Available").await;
    let scale = ["scale", "deployment/api", "--replicas=2"];
    kubectl(&[&["--namespace", &airline.namespace][..], &scale].concat());
    runs(&airline, 2, &[]).await;

    // Neither rolling all pods nor the declared number takes back what somebody gave.
    let before = airline.pods();
    let requests = json!({"requests": {"cpu": "10m", "memory": "56Mi"}});
    airline.change(json!({"api": {"replicas": 3, "resources": requests}}));
    recovered("no pod is left of before", async || {
        let pods = airline.pods();
        pods.len() == 2 && pods.is_disjoint(&before)
    })
    .await;
    airline.is_ready("Available").await;
    assert_eq!(airline.deployment()["spec"]["replicas"], 2);
    assert!(autoscaler(&airline).is_null());
    assert_eq!(airline.tenant()["status"]["api"]["readyReplicas"], 2);

    airline.change(json!({"api": {"replicas": 1, "autoscaling": null}}));
    airline.is_ready("Available").await;
    runs(&airline, 1, &[]).await;
    airline.remove();
}
