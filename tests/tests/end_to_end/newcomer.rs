//! What a new airline says of itself while nodes are still learning where to find it.

use std::path::Path;
use std::time::Duration;

use albatross_tests::gitops::judge;
use albatross_tests::kubectl::{kubectl, object};
use albatross_tests::processes::{Process, command};
use albatross_tests::wait::until;
use serde_json::{Deserializer, Value};

use crate::airline::{Airline, apply_changed, unique};

/// Longer than nodes may take, and than the operator lets pass until it looks again.
const SETTLED: Duration = Duration::from_secs(20);

/// Every state of a Tenant, from before it is declared.
struct Watch(Process);

impl Watch {
    fn of(name: &str) -> Self {
        let name = format!("--field-selector=metadata.name={name}");
        let get = ["get", "tenants", &name, "--watch", "--output=json"];
        Self(Process::start(command(Path::new("kubectl"), &get)))
    }

    /// First under way, then done for good, and nobody is warned of it.
    async fn has_seen_it_come_up(self, name: &str) {
        let last = object("default", &format!("tenant/{name}"));
        let states = self.states(&last).await;
        let seen: Vec<_> = judge(&states).into_iter().map(|it| it.kstatus).collect();
        let waited = seen.iter().take_while(|it| *it == "InProgress").count();
        assert!(waited > 0 && waited < seen.len(), "{seen:?}");
        assert!(seen[waited..].iter().all(|it| it == "Current"), "{seen:?}");
        let of_it = format!("--field-selector=involvedObject.name={name},type=Warning");
        let warned = kubectl(&["get", "events", &of_it, "--no-headers"]);
        assert!(warned.is_empty(), "{warned}");
    }

    /// Up to this one of `last`.
    async fn states(&self, last: &Value) -> Vec<Value> {
        let last = &last["metadata"]["resourceVersion"];
        let mut states: Vec<Value> = Vec::new();
        until("the watch has told the last state", async || {
            let told = self.0.stdout();
            // It may be in the midst of one.
            let told = Deserializer::from_str(&told).into_iter();
            states = told.map_while(Result::ok).collect();
            states
                .iter()
                .any(|it| it["metadata"]["resourceVersion"] == *last)
        })
        .await;
        states
    }
}

#[tokio::test]
async fn a_new_airline_that_is_ready_stays_so_and_is_never_said_to_be_away() {
    let name = unique("skyways");
    let watch = Watch::of(&name);
    // It is served as soon as the first of them is ready.
    let pods = ("spec:", "spec:\n  api: {replicas: 2}");
    let airline = Airline::named("skyways", &name, &[pods]);
    tokio::time::sleep(SETTLED).await;
    watch.has_seen_it_come_up(&name).await;
    airline.remove();
}

#[tokio::test]
async fn a_new_airline_that_is_to_sleep_is_asked_for_flights_once_it_is_found() {
    let name = unique("nordwind");
    let watch = Watch::of(&name);
    let sleeps = "spec:\n  hibernate: WhenLanded";
    let changes = [("spec:", sleeps), ("nordwind", name.as_str())];
    apply_changed("11-nordwind.yaml", &changes);
    let tenant = format!("tenant/{name}");
    kubectl(&["wait", "--for=condition=Ready", &tenant, "--timeout=300s"]);
    let ready = &object("default", &tenant)["status"]["conditions"];
    let slept = ready.as_array().into_iter().flatten();
    let mut slept = slept.filter(|it| it["type"] == "Ready");
    assert!(slept.any(|it| it["reason"] == "Hibernated"), "{ready}");
    watch.has_seen_it_come_up(&name).await;
    kubectl(&["delete", &tenant, "--timeout=300s"]);
}
