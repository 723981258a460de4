//! Everything that replaces pods or keys, while a client writes and reads without pause: no request is lost.

use std::collections::BTreeSet;

use albatross_tests::airline::Caller;
use albatross_tests::kubectl::{attempt, kubectl, object, secret};
use albatross_tests::wait::recovered;
use serde_json::json;

use crate::airline::{Airline, CLIENTS, entry};
use crate::load::{Load, Patience};

/// `tests/cluster/make-cluster` gives the cluster an image of this version beside the one that its chart names.
const NEXT_VERSION: &str = "9.0.0";
/// What an airline cannot go back to from there.
const OLDER_VERSION: &str = "8.9.9";

/// Through the Eviction API, as a drained node does; returns once another pod serves in its place.
async fn evict(airline: &Airline, pod: &str) {
    let namespace = &airline.namespace;
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace},
    });
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), eviction.to_string()).expect("a written file");
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/eviction");
    let file = file.path().to_string_lossy();
    // The disruption budget hears of a pod that serves a moment later than we do.
    recovered("the pod may go", async || {
        let create = attempt(&["create", "--raw", &path, "--filename", &file]);
        create.status.success()
    })
    .await;
    recovered("another pod serves", async || {
        let status = &object(namespace, "deployment/api")["status"];
        !airline.pods().contains(pod) && status["readyReplicas"] == 2
    })
    .await;
}

/// Changes the key once, as a declaration in git would, and returns the next one.
async fn rotate(airline: &Airline) -> String {
    let name = format!("{}-acars", airline.name);
    let patch = r#"{"spec": {"rotation": {"every": "30d", "overlap": "1h", "trigger": "now"}}}"#;
    let key = format!("apikey/{name}");
    kubectl(&[
        "--namespace",
        CLIENTS,
        "patch",
        &key,
        "--type=merge",
        "--patch",
        patch,
    ]);
    let mut next = airline.key.clone();
    recovered("the next key is published", async || {
        next = entry(&secret(CLIENTS, &name), "key");
        next != airline.key
    })
    .await;
    next
}

/// To the other version that the cluster has an image of: its migration runs first, and then all pods are of it.
async fn upgrade(airline: &Airline) {
    let images = || {
        let selector = "--selector=albatross.aero/component=api";
        let image = "--output=jsonpath={.items[*].spec.containers[*].image}";
        let get = [
            "--namespace",
            &airline.namespace,
            "get",
            "pods",
            selector,
            image,
        ];
        let images: BTreeSet<String> = kubectl(&get)
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        images
    };
    let before = images();
    airline.change(json!({"version": NEXT_VERSION}));
    airline.is_ready("Available").await;
    recovered("all pods are of the next version", async || {
        images()
            .iter()
            .all(|it| it.ends_with(&format!(":{NEXT_VERSION}")))
    })
    .await;
    assert!(images().is_disjoint(&before), "{before:?}");
    // Its Job is gone once it has succeeded; the record says which image's migrations the database has.
    let record = secret("albatross-system", &format!("tenant-{}", airline.name));
    let migrated = entry(&record, "migratedImage");
    assert!(
        migrated.ends_with(&format!(":{NEXT_VERSION}")),
        "{migrated}"
    );
}

/// Its database has been migrated: pods of before are not begun, and those that run run on.
async fn stays_where_it_is(airline: &Airline) {
    let pods = airline.pods();
    airline.change(json!({"version": OLDER_VERSION}));
    airline
        .comes_to("Stalled", "True", "DowngradeRefused")
        .await;
    assert_eq!(airline.pods(), pods);
    airline.change(json!({"version": NEXT_VERSION}));
    airline.is_ready("Available").await;
    assert_eq!(airline.pods(), pods);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_replaces_pods_or_keys_costs_a_request() {
    let airline = Airline::declared_like("skyways");
    let host = airline.host();
    let caller = |key: &str| Caller::with_key(&format!("http://{host}"), &host, key);
    let load = Load::start(caller(&airline.key), Patience::Retry);
    load.goes_on("the beginning").await;

    for replicas in [3, 1, 2] {
        let tenant = format!("tenant/{}", airline.name);
        kubectl(&["scale", &tenant, &format!("--replicas={replicas}")]);
        airline.is_ready("Available").await;
        recovered("the others have ended", async || {
            airline.pods().len() == replicas
        })
        .await;
        load.goes_on(&format!("scaling to {replicas}")).await;
    }

    load.may(Patience::None);
    let next = rotate(&airline).await;
    load.goes_on("the next key, with the old one").await;
    load.becomes(caller(&next));
    load.goes_on("the next key").await;
    load.may(Patience::Retry);

    let before = airline.pods();
    airline.change(json!({"api": {"resources": {"requests": {"cpu": "15m", "memory": "48Mi"}}}}));
    airline.is_ready("Available").await;
    recovered("no pod is left of before", async || {
        airline.pods().is_disjoint(&before)
    })
    .await;
    load.goes_on("rolling all pods").await;

    upgrade(&airline).await;
    load.goes_on("upgrading to another image").await;
    load.may(Patience::None);
    stays_where_it_is(&airline).await;
    load.goes_on("refusing to go back").await;
    load.may(Patience::Retry);

    for pod in airline.pods() {
        evict(&airline, &pod).await;
        load.goes_on("evicting a pod").await;
    }

    load.may(Patience::Asleep);
    airline.change(json!({"hibernate": "Now"}));
    airline.is_ready("Hibernated").await;
    recovered("no pod is left", async || airline.pods().is_empty()).await;
    airline.change(json!({"hibernate": "Never"}));
    airline.is_ready("Available").await;
    load.goes_on("hibernating and waking").await;
    // Every node has heard of the pods by now.
    load.may(Patience::Retry);
    load.goes_on("being awake").await;

    load.ends(&caller(&next)).await;
    airline.remove();
}
