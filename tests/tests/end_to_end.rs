//! The chart's operator on a real cluster: real pods, real PostgreSQL, RabbitMQ and Redis, driven by `kubectl`.
//! `make test` brings the cluster; without one these tests fail.
#![allow(clippy::disallowed_methods)] // Names of their own keep runs apart.

use std::process::Command;

use albatross_tests::airline::Caller;
use albatross_tests::chart::helm;
use albatross_tests::kubectl::{PortForward, attempt, kubectl, object, secret};
use albatross_tests::wait::until;
use serde_json::Value;
use tokio::sync::Mutex;

const CLIENTS: &str = "airline-clients";
/// The cluster is one: tests that change the same tenants take turns.
static CLUSTER: Mutex<()> = Mutex::const_new(());

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

/// What an earlier run retained has another name.
fn unique(name: &str) -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!("{name}-{}", &id[..8])
}

fn apply_renamed(file: &str, from: &str, to: &str) {
    apply_changed(file, &[(from, to)]);
}

/// An example with some of its text replaced.
fn apply_changed(file: &str, replacements: &[(&str, &str)]) {
    let mut manifest = std::fs::read_to_string(example(file)).expect("an example");
    for (from, to) in replacements {
        assert!(manifest.contains(from), "{file} has no {from:?}");
        manifest = manifest.replace(from, to);
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(file);
    std::fs::write(&path, manifest).expect("a written manifest");
    kubectl(&["apply", "--filename", &path.to_string_lossy()]);
}

fn entry(entries: &[(String, String)], key: &str) -> String {
    let found = entries.iter().find(|(name, _)| name == key);
    found.unwrap_or_else(|| panic!("no {key}")).1.clone()
}

/// An airline of one test, declared as an example is, under a name of its own.
struct Airline {
    name: String,
    namespace: String,
    forward: PortForward,
    key: String,
}

impl Airline {
    fn declared_like(tenant: &str) -> Self {
        Self::declared(tenant, &[])
    }

    /// As an example is, but for its name and what is replaced.
    fn declared(tenant: &str, replacements: &[(&str, &str)]) -> Self {
        let name = unique(tenant);
        kubectl(&["apply", "--filename", &example("00-namespace.yaml")]);
        let number = if tenant == "skyways" { 0 } else { 1 };
        let renamed = (tenant, name.as_str());
        let changed = [replacements, &[renamed]].concat();
        apply_changed(&format!("1{number}-{tenant}.yaml"), &changed);
        apply_changed(&format!("2{number}-{tenant}-acars.yaml"), &[renamed]);
        let resource = format!("tenant/{name}");
        kubectl(&["wait", "--for=condition=Ready", &resource, "--timeout=180s"]);
        let key = format!("apikey/{name}-acars");
        let wait = ["wait", "--for=condition=Ready", &key, "--timeout=120s"];
        kubectl(&[&["--namespace", CLIENTS][..], &wait[..]].concat());
        let namespace = format!("albatross-{name}");
        Self {
            forward: PortForward::to(&namespace, "api", 8080),
            key: entry(&secret(CLIENTS, &format!("{name}-acars")), "key"),
            namespace,
            name,
        }
    }

    fn remove(self) {
        let key = format!("apikey/{}-acars", self.name);
        kubectl(&["--namespace", CLIENTS, "delete", &key, "--timeout=120s"]);
        kubectl(&["delete", &format!("tenant/{}", self.name), "--timeout=120s"]);
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
        let links = secret(&self.namespace, "albatross-admin-links");
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
    let skyways = Airline::declared_like("skyways");
    let pilot = skyways.client();

    let id = skyways.file_a_flight();
    let path = format!("/pireps/{id}");
    // A read that names no position may be a moment behind the write.
    until("the flight is submitted", async || {
        pilot.get(&path).await["state"] == "Submitted"
    })
    .await;
    let pirep = pilot.get(&path).await;
    assert_eq!(pirep["track"]["positions"], 2_110);

    let admin = skyways.admin().await;
    let version = pirep["version"].as_i64().expect("an entity has a version");
    assert_eq!(admin.accept(&id, version).await["state"], "Accepted");

    until("the accepted flight is in the pilot's list", async || {
        ids(&pilot.get("/pireps?state=Accepted").await).contains(&id.as_str())
    })
    .await;
    let history = pilot.get(&format!("/pireps/{id}/history")).await;
    let last = history["items"]
        .as_array()
        .and_then(|items| items.last().cloned());
    let said = last.unwrap_or_default()["event"].to_string();
    assert!(said.contains("Accepted"), "the history ends with {said}");
    let track = pilot.get(&format!("/pireps/{id}/track")).await;
    let line = &track["features"][0]["geometry"]["coordinates"];
    assert_eq!(line.as_array().map(Vec::len), Some(2_110));

    let nordwind = Airline::declared_like("nordwind");
    assert!(ids(&nordwind.client().get("/pireps").await).is_empty());
    assert_eq!(
        nordwind.client().status_of(&format!("/pireps/{id}")).await,
        404
    );
    let stranger = Caller::with_key(&nordwind.address(), &nordwind.host(), &skyways.key);
    assert_eq!(stranger.status_of("/pireps").await, 401);
    skyways.remove();
    nordwind.remove();
}

#[test]
fn the_release_passes_its_own_test() {
    let test = ["test", "albatross", "--namespace", "albatross-system"];
    helm(&[&test[..], &["--timeout", "3m"]].concat()).expect("helm test succeeds");
}

#[test]
fn scaling_a_tenant_scales_its_api() {
    let _turn = CLUSTER.blocking_lock();
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

#[tokio::test]
async fn workers_of_their_own_project_what_the_api_takes_and_an_ingress_leads_to_it() {
    let asked = "  exposure:\n    ingress: {className: nginx}\n  worker: {replicas: 1}\n";
    let nordwind = Airline::declared("nordwind", &[("  exposure:\n    none: {}\n", asked)]);
    let worker = object(&nordwind.namespace, "deployment/worker");
    assert_eq!(worker["status"]["readyReplicas"], 1);
    let ingress = object(&nordwind.namespace, "ingress/api");
    let rule = &ingress["spec"]["rules"][0];
    assert_eq!(rule["host"], format!("{}.localhost", nordwind.name));
    let backend = &rule["http"]["paths"][0]["backend"]["service"]["name"];
    assert_eq!(backend, "api");

    let id = nordwind.file_a_flight();
    let pilot = nordwind.client();
    until("the worker has projected the flight", async || {
        ids(&pilot.get("/pireps?state=Submitted").await).contains(&id.as_str())
    })
    .await;
    nordwind.remove();
}

#[test]
fn a_wrong_manifest_is_refused_with_field_and_reason() {
    let _turn = CLUSTER.blocking_lock();
    let patch = r#"{"spec": {"icaoCode": "sk1"}}"#;
    examples_are_ready();
    let output = attempt(&["patch", "tenant/skyways", "--type=merge", "--patch", patch]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains("spec.icaoCode") && said.contains("sk1"),
        "{said}"
    );
}

#[test]
fn a_deleted_airline_leaves_its_data_and_credentials() {
    let name = unique("retired");
    let tenant = format!("tenant/{name}");
    apply_renamed("11-nordwind.yaml", "nordwind", &name);
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
