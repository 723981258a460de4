//! The chart's operator on a real cluster: real pods, real PostgreSQL, RabbitMQ and Redis, driven by `kubectl`.
//! `make test` brings the cluster; without one these tests fail.

use std::process::Command;
use std::sync::Mutex;

use albatross_tests::airline::Caller;
use albatross_tests::kubectl::{PortForward, attempt, kubectl, object, secret};
use serde_json::Value;

const CLIENTS: &str = "airline-clients";
/// The cluster is one: tests that change the same tenants take turns.
static CLUSTER: Mutex<()> = Mutex::new(());

fn taking_turns() -> std::sync::MutexGuard<'static, ()> {
    CLUSTER.lock().unwrap_or_else(|failed| failed.into_inner())
}

fn example(file: &str) -> String {
    format!("{}/../examples/{file}", env!("CARGO_MANIFEST_DIR"))
}

/// `kubectl apply -f examples/`, and both airlines are Ready.
fn examples_are_ready() {
    kubectl(&["apply", "--filename", &example("")]);
    for tenant in ["tenant/skyways", "tenant/nordwind"] {
        kubectl(&["wait", "--for=condition=Ready", tenant, "--timeout=180s"]);
    }
    for key in ["apikey/skyways-acars", "apikey/nordwind-acars"] {
        let wait = ["wait", "--for=condition=Ready", key, "--timeout=120s"];
        kubectl(&[&["--namespace", CLIENTS][..], &wait[..]].concat());
    }
}

fn entry(entries: &[(String, String)], key: &str) -> String {
    let found = entries.iter().find(|(name, _)| name == key);
    found.unwrap_or_else(|| panic!("no {key}")).1.clone()
}

/// Where one airline's pods answer, and callers of it.
struct Airline {
    forward: PortForward,
    namespace: &'static str,
    key: String,
}

impl Airline {
    fn of(tenant: &str, namespace: &'static str) -> Self {
        Self {
            forward: PortForward::to(namespace, "api", 8080),
            namespace,
            key: entry(&secret(CLIENTS, &format!("{tenant}-acars")), "key"),
        }
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.forward.port)
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.forward.port)
    }

    fn client(&self) -> Caller {
        Caller::with_key(&self.address(), &self.host(), &self.key)
    }

    /// The first administrator, by the one-time link of the tenant's Secret.
    async fn admin(&self) -> Caller {
        let links = secret(self.namespace, "albatross-admin-links");
        Caller::by_link(&self.address(), &self.host(), &links[0].1).await
    }

    /// Files the recorded flight by the example client; returns the PIREP's id.
    fn file_a_flight(&self) -> String {
        let output = Command::new(example("file-a-flight"))
            .args(["--url", &self.address(), "--key", &self.key])
            .output()
            .expect("Node runs the example client");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the flight was not filed: {said}");
        let url = String::from_utf8_lossy(&output.stdout);
        url.trim().rsplit('/').next().unwrap_or_default().to_owned()
    }
}

fn ids(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("a list has items");
    items
        .iter()
        .filter_map(|item| item["id"].as_str())
        .collect()
}

#[tokio::test]
async fn a_declared_airline_takes_a_recorded_flight_to_its_verdict() {
    let _turn = taking_turns();
    examples_are_ready();
    let skyways = Airline::of("skyways", "albatross-skyways");
    let pilot = skyways.client();

    let id = skyways.file_a_flight();
    let pirep = pilot.get(&format!("/pireps/{id}")).await;
    assert_eq!(pirep["state"], "Submitted");
    assert_eq!(pirep["track"]["positions"], 2_110);

    let admin = skyways.admin().await;
    let version = pirep["version"].as_i64().expect("an entity has a version");
    assert_eq!(admin.accept(&id, version).await["state"], "Accepted");

    assert!(ids(&pilot.get("/pireps?state=Accepted").await).contains(&id.as_str()));
    let history = pilot.get(&format!("/pireps/{id}/history")).await;
    let last = history["items"]
        .as_array()
        .and_then(|items| items.last().cloned());
    let said = last.unwrap_or_default()["event"].to_string();
    assert!(said.contains("Accepted"), "the history ends with {said}");
    let track = pilot.get(&format!("/pireps/{id}/track")).await;
    let line = &track["features"][0]["geometry"]["coordinates"];
    assert_eq!(line.as_array().map(Vec::len), Some(2_110));

    let nordwind = Airline::of("nordwind", "albatross-nordwind");
    assert!(ids(&nordwind.client().get("/pireps").await).is_empty());
    assert_eq!(
        nordwind.client().status_of(&format!("/pireps/{id}")).await,
        404
    );
    let stranger = Caller::with_key(&nordwind.address(), &nordwind.host(), &skyways.key);
    assert_eq!(stranger.status_of("/pireps").await, 401);
}

#[test]
fn scaling_a_tenant_scales_its_api() {
    let _turn = taking_turns();
    examples_are_ready();
    let ready = |replicas: &str| {
        kubectl(&["scale", "tenant/skyways", &format!("--replicas={replicas}")]);
        let until = format!("--for=jsonpath={{.status.api.readyReplicas}}={replicas}");
        kubectl(&["wait", "tenant/skyways", &until, "--timeout=120s"]);
        let deployment = object("albatross-skyways", "deployment/api");
        deployment["status"]["readyReplicas"].to_string()
    };
    assert_eq!(ready("3"), "3");
    assert_eq!(ready("1"), "1");
}

#[test]
fn a_wrong_manifest_is_refused_with_field_and_reason() {
    let _turn = taking_turns();
    let patch = r#"{"spec": {"icaoCode": "sky1"}}"#;
    examples_are_ready();
    let output = attempt(&["patch", "tenant/skyways", "--type=merge", "--patch", patch]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains("spec.icaoCode") && said.contains("sky1"),
        "{said}"
    );
}

#[test]
fn a_deleted_airline_leaves_its_data_and_credentials() {
    let name = format!("retired-{}", std::process::id());
    let manifest = std::fs::read_to_string(example("11-nordwind.yaml")).expect("an example");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tenant.yaml");
    std::fs::write(&file, manifest.replace("nordwind", &name)).expect("a written manifest");
    let tenant = format!("tenant/{name}");

    kubectl(&["apply", "--filename", &file.to_string_lossy()]);
    let ready = ["wait", "--for=condition=Ready", &tenant, "--timeout=180s"];
    kubectl(&ready);
    let id = object("default", &tenant)["status"]["tenantId"].clone();
    kubectl(&["delete", &tenant, "--timeout=120s"]);

    let namespace = format!("namespace/albatross-{name}");
    assert!(!attempt(&["get", &namespace]).status.success());
    let kept = secret("albatross-system", &format!("tenant-{name}"));
    let kept_id = kept
        .iter()
        .any(|(_, value)| Some(value.as_str()) == id.as_str());
    assert!(kept_id, "the retained Secret names the tenant's id");
}
