//! An airline that is suspended runs on as it is, whatever is declared of it.

use albatross_tests::kubectl::kubectl;
use albatross_tests::wait::recovered;
use serde_json::json;

use crate::airline::Airline;

#[tokio::test]
async fn a_suspended_airline_serves_its_flights_as_it_is_until_it_goes_on() {
    let airline = Airline::declared_like("skyways");
    let flight = airline.file_a_flight().await;
    let kept = airline.kept(&flight).await;
    airline.change(json!({"suspend": true}));
    airline.comes_to("Suspended", "True", "Suspended").await;

    // Somebody's own doing, which the operator would undo.
    let scale = ["scale", "deployment/api", "--replicas=2"];
    kubectl(&[&["--namespace", &airline.namespace][..], &scale].concat());
    recovered("the status tells of both pods", async || {
        airline.tenant()["status"]["api"]["readyReplicas"] == 2
    })
    .await;
    let before = airline.pods();
    airline.change(json!({"displayName": "Skyways Two"}));
    airline.comes_to("Suspended", "True", "Suspended").await;
    airline.is_ready("Available").await;
    let said = airline.client().get("/airline").await;
    assert_eq!(said["displayName"], "Skyways");
    assert_eq!(airline.deployment()["spec"]["replicas"], 2);
    assert_eq!(airline.pods(), before);
    assert_eq!(airline.kept(&flight).await, kept);

    airline.change(json!({"suspend": false}));
    airline.is_ready("Available").await;
    recovered("one pod is left", async || {
        let now = airline.pods();
        now.len() == 1 && now.is_subset(&before)
    })
    .await;
    let said = airline.client().get("/airline").await;
    assert_eq!(said["displayName"], "Skyways Two");
    assert_eq!(airline.kept(&flight).await, kept);
    airline.remove();
}
