//! What an airline may grow to, held by its pods, and what those may take, held by the cluster.

use albatross_tests::airline::{Caller, answer};
use albatross_tests::kubectl::{attempt_with, kubectl, object};
use albatross_tests::wait::{recovered, until};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::airline::Airline;

const POD_QUOTA: usize = 3;

/// Done, or why not.
async fn outcome(request: impl Fn() -> RequestBuilder) -> Result<(), String> {
    let answer = answer(request).await;
    let refused = !answer.status().is_success();
    let body: Value = answer.json().await.expect("the answer is JSON");
    let code = body["code"].as_str().unwrap_or_default();
    if refused {
        Err(code.to_owned())
    } else {
        Ok(())
    }
}

async fn begin_a_flight(pilot: &Caller) -> Result<(), String> {
    let plan = json!({"flightNumber": "SKY1", "departure": "LIRF", "arrival": "LLBG", "aircraftType": "B744"});
    let (path, body) = (
        format!("/pireps/{}", Uuid::new_v4()),
        json!({"intent": "prefile", "plan": plan}),
    );
    outcome(|| pilot.request(Method::PUT, &path).json(&body)).await
}

async fn invite(admin: &Caller, name: &str) -> Result<(), String> {
    let person = json!({"email": format!("{name}@skyways.example"), "displayName": name});
    outcome(|| admin.request(Method::POST, "/users").json(&person)).await
}

/// A limit looks at what is seen by then.
async fn are_seen(caller: &Caller, list: &str, count: usize) {
    until(&format!("{list} has {count}"), async || {
        let listed = caller.get(list).await;
        listed["items"].as_array().map(Vec::len) == Some(count)
    })
    .await;
}

/// As many as may be are there.
async fn is_full(airline: &Airline, admin: &Caller, pilots: usize, flights: usize) {
    let pilot = airline.client();
    are_seen(admin, "/users?search=guest", pilots).await;
    are_seen(&pilot, "/pireps", flights).await;
    let flight = begin_a_flight(&pilot).await;
    assert_eq!(flight, Err("too-many-flights-today".to_owned()));
    let guest = invite(admin, "guest-too-many").await;
    assert_eq!(guest, Err("too-many-pilots".to_owned()));
}

async fn grows_as_far_as_is_declared(airline: &Airline) {
    let (admin, pilot, pods) = (airline.admin().await, airline.client(), airline.pods());
    invite(&admin, "guest-1").await.expect("one may be a pilot");
    for _ in 0..2 {
        begin_a_flight(&pilot).await.expect("two flights may begin");
    }
    is_full(airline, &admin, 1, 2).await;

    airline.change(json!({"limits": {"pilots": 2, "pirepsPerDay": 3}}));
    airline.is_ready("Available").await;
    until("another flight may begin", async || {
        begin_a_flight(&pilot).await.is_ok()
    })
    .await;
    let guest = invite(&admin, "guest-2").await;
    guest.expect("another one may be a pilot");
    is_full(airline, &admin, 2, 3).await;

    airline.change(json!({"limits": null}));
    airline.is_ready("Available").await;
    until("any flight may begin", async || {
        begin_a_flight(&pilot).await.is_ok()
    })
    .await;
    let guest = invite(&admin, "guest-3").await;
    guest.expect("anybody may be a pilot");
    assert_eq!(airline.pods(), pods, "its pods are told");
}

/// One that finds no node, and counts.
fn place(airline: &Airline, name: &str) -> Result<(), String> {
    let container = json!({"name": "main", "image": "localhost/pause:1", "securityContext": {
        "allowPrivilegeEscalation": false, "runAsNonRoot": true, "runAsUser": 65532,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
    }});
    let spec = json!({"containers": [container], "nodeSelector": {"tests.example/nowhere": "yes"}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
    let created = attempt_with(&pod, &["--namespace", &airline.namespace, "create"]);
    let said = String::from_utf8_lossy(&created.stderr).into_owned();
    if created.status.success() {
        Ok(())
    } else {
        Err(said)
    }
}

/// Of its condition Ready.
fn message(airline: &Airline) -> String {
    let tenant = airline.tenant();
    let conditions = tenant["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    let ready = conditions.find(|it| it["type"] == "Ready");
    ready.map_or_else(String::new, |it| it["message"].to_string())
}

async fn runs_on_without_room_for_another_pod(airline: &Airline) {
    recovered("the pod is counted", async || {
        object(&airline.namespace, "resourcequota/albatross")["status"]["used"]["pods"] == "1"
    })
    .await;
    let others: Vec<String> = (1..POD_QUOTA).map(|it| format!("other-{it}")).collect();
    for other in &others {
        place(airline, other).expect("there is room");
    }
    let said = place(airline, "one-more").expect_err("there is no room");
    assert!(said.contains("exceeded quota: albatross"), "{said}");

    let before = airline.pods();
    airline.change(json!({"api": {"resources": {"requests": {"cpu": "15m", "memory": "48Mi"}}}}));
    airline
        .comes_to("Ready", "False", "RuntimeUnavailable")
        .await;
    assert!(message(airline).contains("exceeded quota: albatross"));
    airline
        .comes_to("RuntimeAvailable", "True", "Available")
        .await;
    let flight = airline.file_a_flight().await;
    let kept = airline.kept(&flight).await;
    assert_eq!(airline.pods(), before);

    let delete = ["--namespace", &airline.namespace, "delete", "pod"];
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    kubectl(&[&delete[..], &others].concat());
    airline.is_ready("Available").await;
    recovered("no pod is left of before", async || {
        airline.pods().is_disjoint(&before)
    })
    .await;
    assert_eq!(airline.kept(&flight).await, kept);
}

#[tokio::test]
async fn limits_are_held_by_the_airline_and_the_quota_by_its_namespace() {
    let unexposed = "  exposure:\n    none: {}\n";
    let limited = format!(
        "{unexposed}  quota: {{pods: {POD_QUOTA}}}\n  limits: {{pilots: 1, pirepsPerDay: 2}}\n"
    );
    let airline = Airline::declared("skyways", &[(unexposed, &limited)]);
    grows_as_far_as_is_declared(&airline).await;
    runs_on_without_room_for_another_pod(&airline).await;
    airline.remove();
}
