//! What a new airline says of itself while nodes are still learning where to find it.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use albatross_tests::gitops::judge;
use albatross_tests::kubectl::{kubectl, object};
use serde_json::{Deserializer, Value};

use crate::airline::{Airline, apply_changed, unique};

/// Longer than nodes may take, and than the operator lets pass until it looks again.
const SETTLED: Duration = Duration::from_secs(20);

/// Every state of a Tenant, from before it is declared.
struct Watch(Child);

impl Watch {
    fn of(name: &str) -> Self {
        let name = format!("--field-selector=metadata.name={name}");
        let get = ["get", "tenants", &name, "--watch", "--output=json"];
        let process = Command::new("kubectl")
            .args(get)
            .stdout(Stdio::piped())
            .spawn();
        Self(process.expect("kubectl runs"))
    }

    /// First under way, then done for good, and nobody is warned of it.
    fn has_seen_it_come_up(self, name: &str) {
        let states = self.states();
        let seen: Vec<_> = judge(&states).into_iter().map(|it| it.kstatus).collect();
        let waited = seen.iter().take_while(|it| *it == "InProgress").count();
        assert!(waited > 0 && waited < seen.len(), "{seen:?}");
        assert!(seen[waited..].iter().all(|it| it == "Current"), "{seen:?}");
        let of_it = format!("--field-selector=involvedObject.name={name},type=Warning");
        let warned = kubectl(&["get", "events", &of_it, "--no-headers"]);
        assert!(warned.is_empty(), "{warned}");
    }

    fn states(mut self) -> Vec<Value> {
        let _ = self.0.kill();
        let output = self.0.wait_with_output().expect("kubectl ends");
        let states = Deserializer::from_slice(&output.stdout).into_iter();
        // The last may be cut off by the end.
        states.map_while(Result::ok).collect()
    }
}

#[tokio::test]
async fn a_new_airline_that_is_ready_stays_so_and_is_never_said_to_be_away() {
    let name = unique("skyways");
    let watch = Watch::of(&name);
    let airline = Airline::named("skyways", &name, &[]);
    tokio::time::sleep(SETTLED).await;
    watch.has_seen_it_come_up(&name);
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
    watch.has_seen_it_come_up(&name);
    kubectl(&["delete", &tenant, "--timeout=300s"]);
}
