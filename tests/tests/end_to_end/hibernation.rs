//! An airline that is to rest once nobody flies any more.

use albatross_tests::airline::{Caller, answer};
use albatross_tests::wait::recovered;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::airline::Airline;

async fn send(pilot: &Caller, method: Method, path: &str, body: Value) {
    let answer = answer(|| pilot.request(method.clone(), path).json(&body)).await;
    assert!(answer.status().is_success(), "{path}: {answer:?}");
}

/// Prefiles a flight and sends where it is; returns its path.
async fn takes_off(pilot: &Caller) -> String {
    let path = format!("/pireps/{}", Uuid::new_v4());
    let plan = json!({"flightNumber": "SKY1", "departure": "LIRF", "arrival": "LLBG", "aircraftType": "B744"});
    let filed = json!({"intent": "prefile", "plan": plan});
    send(pilot, Method::PUT, &path, filed).await;
    let now = jiff::Timestamp::now().to_string();
    let position = json!({"sequence": 0, "time": now, "lat": 41.8, "lon": 12.2, "altitudeFt": 900});
    let batch = json!({"batchId": Uuid::new_v4(), "positions": [position]});
    send(pilot, Method::POST, &format!("{path}/positions"), batch).await;
    path
}

#[tokio::test]
async fn an_airline_rests_when_its_last_flight_is_over_and_wakes_with_all_of_them() {
    let airline = Airline::declared_like("skyways");
    let filed = airline.file_a_flight().await;
    let kept = airline.kept(&filed).await;
    let flight = takes_off(&airline.client()).await;

    airline.change(json!({"hibernate": "WhenLanded"}));
    airline
        .comes_to("Reconciling", "True", "WaitingForFlights")
        .await;
    let pods = airline.pods();
    assert_eq!(airline.client().get(&flight).await["state"], "InProgress");
    assert_eq!(airline.pods(), pods);

    let cancel = format!("{flight}/cancel");
    send(&airline.client(), Method::POST, &cancel, json!({})).await;
    airline.is_ready("Hibernated").await;
    recovered("no pod is left", async || airline.pods().is_empty()).await;

    airline.change(json!({"hibernate": "Never"}));
    airline.is_ready("Available").await;
    assert_eq!(airline.client().get(&flight).await["state"], "Cancelled");
    assert_eq!(airline.kept(&filed).await, kept);
    airline.remove();
}
