//! The operator is replaced by another release of it, while an airline is written to and declared anew.

use std::collections::BTreeSet;

use albatross_tests::airline::Caller;
use albatross_tests::chart::{CHART, NAMESPACE, helm};
use albatross_tests::kubectl::{kubectl, object};
use albatross_tests::wait::recovered;
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::airline::{Airline, CLUSTER};
use crate::load::{Load, Patience};

/// `tests/cluster/make-cluster` gives the cluster an image of the operator by this tag beside the one that its chart names.
const NEXT_TAG: &str = "9.0.0";
const DEPLOYMENT: &str = "deployment/albatross-operator";

fn operators() -> BTreeSet<String> {
    let selector = "--selector=app.kubernetes.io/name=albatross-operator";
    let get = ["--namespace", NAMESPACE, "get", "pods", selector];
    let names = kubectl(&[&get[..], &["--output=name"]].concat());
    names.lines().map(|name| name.replace("pod/", "")).collect()
}

/// Who leads, and how often that has changed.
fn lease() -> (String, u64) {
    let spec = &object(NAMESPACE, "lease/albatross-operator")["spec"];
    let holder = spec["holderIdentity"].as_str().unwrap_or_default();
    let transitions = spec["leaseTransitions"].as_u64();
    (holder.to_owned(), transitions.unwrap_or_default())
}

/// The same once the leader is the only operator that is left.
async fn alone() -> (String, u64) {
    let mut found = lease();
    recovered("there is one operator, and it leads", async || {
        found = lease();
        operators() == BTreeSet::from([found.0.clone()])
    })
    .await;
    found
}

fn tag() -> String {
    let deployment = object(NAMESPACE, DEPLOYMENT);
    let image = deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str();
    let tag = image.and_then(|image| image.rsplit(':').next());
    tag.expect("an image has a tag").to_owned()
}

fn upgrade(tag: &str) {
    let release = ["upgrade", "albatross", CHART, "--namespace", NAMESPACE];
    let tag = format!("image.tag={tag}");
    let change = [
        "--reuse-values",
        "--set-string",
        &tag,
        "--wait",
        "--timeout=3m",
    ];
    helm(&[&release[..], &change[..]].concat()).expect("helm upgrades the release");
}

/// When an operator said so, by its own clock.
fn at(log: &str, words: &str) -> jiff::Timestamp {
    let line = log.lines().find(|line| line.contains(words));
    let line = line.unwrap_or_else(|| panic!("{words:?} is not said: {log}"));
    let time = line.split_whitespace().next().unwrap_or_default();
    time.parse().expect("a line begins with its time")
}

async fn is_named(airline: &Airline, client: &Caller, name: &str) {
    airline.is_ready("Available").await;
    recovered("the airline has its next name", async || {
        client.get("/airline").await["displayName"] == name
    })
    .await;
}

/// Upgrades the release, and declares two changes meanwhile: while the old operator leads, and when it does not any more.
async fn replaced(airline: &Airline, client: &Caller, load: &Load, tag: &str, pods: usize) {
    let (old, transitions) = alone().await;
    let follow = ["--namespace", NAMESPACE, "logs", "--follow"];
    let pod = old.clone();
    let log = spawn_blocking(move || kubectl(&[&follow[..], &[&pod]].concat()));
    let to = tag.to_owned();
    let upgraded = spawn_blocking(move || upgrade(&to));

    recovered("the next operator is there", async || {
        operators().len() == 2
    })
    .await;
    airline.change(json!({"api": {"replicas": pods}}));
    let mut leaders = BTreeSet::from([old.clone()]);
    recovered("the old operator leads no more", async || {
        let (leader, _) = lease();
        leaders.insert(leader.clone());
        leader != old
    })
    .await;
    // From here on only the next one can carry it out.
    let name = format!("Skyways {tag}");
    airline.change(json!({"displayName": name}));
    is_named(airline, client, &name).await;
    upgraded.await.expect("helm upgrades the release");
    assert_eq!(airline.deployment()["spec"]["replicas"], pods);

    let (next, changes) = alone().await;
    assert_eq!(changes, transitions + 1, "it was handed over once");
    leaders.extend(["".to_owned(), next.clone()]);
    assert_eq!(leaders, BTreeSet::from(["".to_owned(), old, next.clone()]));
    let given = at(&log.await.expect("a log"), "the Lease is given back");
    let taken = at(
        &kubectl(&["--namespace", NAMESPACE, "logs", &next]),
        "leading",
    );
    assert!(given < taken, "{taken} was before {given}");
    load.goes_on(&format!("the operator is {tag}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_release_of_the_operator_costs_no_request_and_takes_up_what_is_declared_meanwhile()
{
    let _turn = CLUSTER.lock().await;
    let airline = Airline::declared_like("skyways");
    let host = airline.host();
    let client = Caller::with_key(&format!("http://{host}"), &host, &airline.key);
    // No pod of the airline ends: no connection has a reason to.
    let load = Load::start(client.clone(), Patience::None);
    load.goes_on("the beginning").await;
    let before = tag();
    assert_ne!(before, NEXT_TAG);
    for (pods, tag) in [(2, NEXT_TAG), (3, &before)] {
        let earlier = airline.pods();
        replaced(&airline, &client, &load, tag, pods).await;
        assert_eq!(self::tag(), tag);
        assert!(airline.pods().is_superset(&earlier), "its pods stay");
    }
    load.ends(&client).await;
    airline.remove();
}
