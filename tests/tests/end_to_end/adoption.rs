//! An airline that was deleted and retained is declared again, and is what it was.

use albatross_tests::kubectl::{attempt, kubectl};
use reqwest::StatusCode;
use serde_json::json;

use crate::airline::{Airline, apply_renamed};
use crate::api_key::ApiKey;

#[tokio::test]
async fn a_retained_airline_is_taken_back_with_its_flights_and_the_keys_that_are_declared_still() {
    let airline = Airline::declared_like("skyways");
    let flight = airline.file_a_flight().await;
    let kept = airline.kept(&flight).await;
    let left = ApiKey::issued(&airline, "left", &json!({"ttl": "90d"}));
    let leaver = left.text();
    let held = airline.caller(&leaver).status_of("/pireps").await;
    assert_eq!(held, StatusCode::OK);
    let identity = airline.tenant()["status"]["tenantId"].clone();
    let identity = identity.as_str().expect("an identity");

    let tenant = format!("tenant/{}", airline.name);
    let namespace = format!("namespace/{}", airline.namespace);
    let is_there = || attempt(&["get", &namespace]).status.success();
    assert!(is_there());
    kubectl(&["delete", &tenant, "--timeout=300s"]);
    assert!(!is_there());
    left.comes_to("False", "TenantNotFound").await;
    // Nobody can be told that it has ended.
    left.remove();

    // Not by its name alone.
    apply_renamed("10-skyways.yaml", "skyways", &airline.name);
    airline
        .comes_to("Stalled", "True", "ResourceConflict")
        .await;
    assert!(!is_there());
    kubectl(&["delete", &tenant, "--timeout=300s"]);

    let unexposed = "  exposure:\n    none: {}\n";
    let adopting = format!("{unexposed}  bootstrap: {{adopt: {identity}}}\n");
    let again = Airline::named("skyways", &airline.name, &[(unexposed, &adopting)]);
    assert_eq!(again.tenant()["status"]["tenantId"], identity);
    let leaver = again.caller(&leaver);
    let refused = leaver.status_of("/pireps").await;
    assert_eq!(refused, StatusCode::UNAUTHORIZED);
    assert_eq!(again.key, airline.key);
    assert_eq!(again.kept(&flight).await, kept);
    again.remove();
}
