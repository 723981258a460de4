//! Keys that end, are replaced and are withheld as their ApiKeys say: asked of the airline that lets them in.

use std::time::Duration;

use albatross_tests::airline::{Caller, answer};
use albatross_tests::kubectl::{kubectl, object};
use albatross_tests::wait::recovered;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use crate::airline::{Airline, CLIENTS};
use crate::api_key::ApiKey;

/// A status tells whole seconds, and the clocks of machines differ.
const SLACK: SignedDuration = SignedDuration::from_secs(2);
const PACE: Duration = Duration::from_millis(500);

async fn asks(caller: &Caller) -> StatusCode {
    caller.status_of("/pireps").await
}

/// Is let in until then, and no longer.
async fn ends_at(end: Timestamp, holder: Caller) {
    let mut pace = tokio::time::interval(PACE);
    loop {
        pace.tick().await;
        let asked = Timestamp::now();
        let status = asks(&holder).await;
        if Timestamp::now() < end - SLACK {
            assert_eq!(status, StatusCode::OK, "before {end}");
        }
        if asked > end + SLACK {
            assert_eq!(status, StatusCode::UNAUTHORIZED, "after {end}");
            return;
        }
    }
}

async fn begin_a_flight(pilot: &Caller) -> Uuid {
    let id = Uuid::new_v4();
    let plan = json!({"flightNumber": "SKY1", "departure": "LIRF", "arrival": "LLBG", "aircraftType": "B744"});
    let body = json!({"intent": "prefile", "plan": plan});
    let path = format!("/pireps/{id}");
    let begun = answer(|| pilot.request(Method::PUT, &path).json(&body)).await;
    assert_eq!(begun.status(), StatusCode::CREATED);
    id
}

async fn reports_a_position(pilot: &Caller, flight: Uuid) -> StatusCode {
    let position =
        json!({"sequence": 0, "time": Timestamp::now().to_string(), "lat": 41.8, "lon": 12.25});
    let batch = json!({"batchId": Uuid::new_v4(), "positions": [position]});
    let path = format!("/pireps/{flight}/positions");
    let reported = answer(|| pilot.request(Method::POST, &path).json(&batch)).await;
    reported.status()
}

/// Another one for the key that it has, by a change of its declaration.
async fn rotate(key: &ApiKey) {
    let before = key.text();
    key.change(json!({"rotation": {"trigger": "b"}}));
    recovered(
        "the next key is published, and the end of the old one",
        async || {
            let status = key.status();
            key.published("keyId") == status["keyId"].as_str().map(str::to_owned)
                && status["previousExpiresAt"].is_string()
        },
    )
    .await;
    assert_ne!(key.text(), before);
    assert_eq!(key.published("previousKey"), Some(before));
}

/// At the first request after it is said to be so.
async fn is_revoked(airline: &Airline) {
    let lost = ApiKey::issued(airline, "lost", &json!({"ttl": "90d"}));
    let finder = lost.holder(airline);
    assert_eq!(asks(&finder).await, StatusCode::OK);
    lost.change(json!({"revoked": true}));
    lost.comes_to("False", "Revoked").await;
    assert_eq!(asks(&finder).await, StatusCode::UNAUTHORIZED);
    assert_eq!(asks(&airline.client()).await, StatusCode::OK);
    lost.remove();
}

/// A Secret of that name is somebody's: it stays as it is, and the key comes once it is gone.
async fn waits_for_its_secret(airline: &Airline) {
    let name = format!("{}-late", airline.name);
    let secret = format!("secret/{name}");
    let clients = ["--namespace", CLIENTS];
    let create = [
        "create",
        "secret",
        "generic",
        &name,
        "--from-literal=key=theirs",
    ];
    kubectl(&[&clients[..], &create].concat());
    let theirs = object(CLIENTS, &secret);
    let late = ApiKey::declared(airline, "late", &json!({"ttl": "90d"}));
    let said = late.comes_to("False", "SecretNameConflict").await;
    assert!(said.contains(&name), "{said}");
    assert_eq!(object(CLIENTS, &secret), theirs);

    kubectl(&[&clients[..], &["delete", &secret]].concat());
    late.becomes_ready();
    assert_eq!(asks(&late.holder(airline)).await, StatusCode::OK);
    late.remove();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_let_in_for_as_long_as_their_declaration_says_and_no_longer() {
    let airline = Airline::declared_like("skyways");
    // Both take two minutes, in which the rest goes on.
    let brief = ApiKey::issued(&airline, "brief", &json!({"ttl": "2m"}));
    let ends = ends_at(brief.time("expiresAt"), brief.holder(&airline));
    let brief_ends = tokio::spawn(ends);

    let rotation = json!({"overlap": "2m", "trigger": "a"});
    let turning = json!({"ttl": "90d", "rotation": rotation});
    let turning = ApiKey::issued(&airline, "turning", &turning);
    let old = turning.holder(&airline);
    let flight = begin_a_flight(&old).await;
    rotate(&turning).await;
    let ends = ends_at(turning.time("previousExpiresAt"), old.clone());
    let old_ends = tokio::spawn(ends);
    let new = turning.holder(&airline);
    for holder in [&old, &new] {
        assert_eq!(asks(holder).await, StatusCode::OK, "during the overlap");
    }

    is_revoked(&airline).await;
    waits_for_its_secret(&airline).await;

    brief_ends.await.expect("a key ends at its time");
    brief.comes_to("False", "Expired").await;
    old_ends.await.expect("an old key ends with the overlap");
    recovered("the old key is shown no more", async || {
        turning.published("previousKey").is_none() && turning.status()["previousKeyId"].is_null()
    })
    .await;
    assert_eq!(asks(&new).await, StatusCode::OK);
    // What was begun with it is flown to its end.
    assert!(reports_a_position(&old, flight).await.is_success());
    let other = begin_a_flight(&new).await;
    let refused = reports_a_position(&old, other).await;
    assert_eq!(refused, StatusCode::UNAUTHORIZED);
    for key in [brief, turning] {
        key.remove();
    }
    airline.remove();
}
