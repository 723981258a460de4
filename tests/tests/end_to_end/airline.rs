//! Airlines on the cluster, declared by `kubectl` as the examples are.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Once;

use albatross_tests::airline::Caller;
use albatross_tests::kubectl::{kubectl, object, secret};
use albatross_tests::wait::recovered;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Mutex;

pub const CLIENTS: &str = "airline-clients";
/// The cluster is one: tests that change the same tenants, or the release, take turns.
pub static CLUSTER: Mutex<()> = Mutex::const_new(());

pub fn example(file: &str) -> String {
    format!("{}/../examples/{file}", env!("CARGO_MANIFEST_DIR"))
}

/// Once for all tests: of two that apply at the same moment one would find it created meanwhile.
fn clients_have_a_namespace() {
    static CREATED: Once = Once::new();
    CREATED.call_once(|| {
        kubectl(&["apply", "--filename", &example("00-namespace.yaml")]);
    });
}

/// `kubectl apply -f examples/`, and both airlines are Ready.
pub fn examples_are_ready() {
    clients_have_a_namespace();
    kubectl(&["apply", "--filename", &example("")]);
    for tenant in ["tenant/skyways", "tenant/nordwind"] {
        kubectl(&["wait", "--for=condition=Ready", tenant, "--timeout=300s"]);
    }
    for key in ["apikey/skyways-acars", "apikey/nordwind-acars"] {
        let wait = ["wait", "--for=condition=Ready", key, "--timeout=300s"];
        kubectl(&[&["--namespace", CLIENTS][..], &wait[..]].concat());
    }
}

/// What an earlier run retained has another name.
pub fn unique(name: &str) -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!("{name}-{}", &id[..8])
}

pub fn apply_renamed(file: &str, from: &str, to: &str) {
    apply_changed(file, &[(from, to)]);
}

/// An example with some of its text replaced.
pub fn apply_changed(file: &str, replacements: &[(&str, &str)]) {
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

pub fn entry(entries: &[(String, String)], key: &str) -> String {
    let found = entries.iter().find(|(name, _)| name == key);
    found.unwrap_or_else(|| panic!("no {key}")).1.clone()
}

fn address_of(service: &Value) -> String {
    let address = service["spec"]["clusterIP"].as_str();
    format!("{}:8080", address.expect("a Service has an address"))
}

/// An airline of one test, declared as an example is, under a name of its own.
pub struct Airline {
    pub name: String,
    pub namespace: String,
    pub key: String,
    service: String,
}

impl Airline {
    pub fn declared_like(tenant: &str) -> Self {
        Self::declared(tenant, &[])
    }

    /// As an example is, but for its name and what is replaced.
    pub fn declared(tenant: &str, replacements: &[(&str, &str)]) -> Self {
        Self::named(tenant, &unique(tenant), replacements)
    }

    /// The same under this name.
    pub fn named(tenant: &str, name: &str, replacements: &[(&str, &str)]) -> Self {
        clients_have_a_namespace();
        let number = if tenant == "skyways" { 0 } else { 1 };
        let renamed = (tenant, name);
        let changed = [replacements, &[renamed]].concat();
        apply_changed(&format!("1{number}-{tenant}.yaml"), &changed);
        apply_changed(&format!("2{number}-{tenant}-acars.yaml"), &[renamed]);
        let resource = format!("tenant/{name}");
        kubectl(&["wait", "--for=condition=Ready", &resource, "--timeout=300s"]);
        let key = format!("apikey/{name}-acars");
        let wait = ["wait", "--for=condition=Ready", &key, "--timeout=300s"];
        kubectl(&[&["--namespace", CLIENTS][..], &wait[..]].concat());
        let namespace = format!("albatross-{name}");
        Self {
            service: address_of(&object(&namespace, "service/api")),
            key: entry(&secret(CLIENTS, &format!("{name}-acars")), "key"),
            namespace,
            name: name.to_owned(),
        }
    }

    pub fn remove(self) {
        let key = format!("apikey/{}-acars", self.name);
        kubectl(&["--namespace", CLIENTS, "delete", &key, "--timeout=300s"]);
        kubectl(&["delete", &format!("tenant/{}", self.name), "--timeout=300s"]);
    }

    /// As it is declared on the cluster, with its status.
    pub fn tenant(&self) -> Value {
        object("default", &format!("tenant/{}", self.name))
    }

    pub fn change(&self, spec: Value) {
        let patch = json!({ "spec": spec }).to_string();
        let tenant = format!("tenant/{}", self.name);
        kubectl(&["patch", &tenant, "--type=merge", "--patch", &patch]);
    }

    /// As it is declared now.
    pub async fn is_ready(&self, reason: &str) {
        self.comes_to("Ready", "True", reason).await;
    }

    /// Its condition says so of what is declared now.
    pub async fn comes_to(&self, condition: &str, status: &str, reason: &str) {
        recovered(&format!("{condition} is {status}, {reason}"), async || {
            let tenant = self.tenant();
            let conditions = tenant["status"]["conditions"].as_array();
            conditions.into_iter().flatten().any(|it| {
                it["type"] == condition
                    && it["observedGeneration"] == tenant["metadata"]["generation"]
                    && it["status"] == status
                    && it["reason"] == reason
            })
        })
        .await;
    }

    pub fn deployment(&self) -> Value {
        object(&self.namespace, "deployment/api")
    }

    /// Names of those that serve, and of those that are still ending.
    pub fn pods(&self) -> BTreeSet<String> {
        let component = "--selector=albatross.aero/component=api";
        let get = ["get", "pods", component, "--output=name"];
        let names = kubectl(&[&["--namespace", &self.namespace][..], &get[..]].concat());
        names.lines().map(|name| name.replace("pod/", "")).collect()
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.service)
    }

    /// The Service itself, which the local cluster's machine reaches: a forwarded port leads to one pod, and ends with it.
    pub fn host(&self) -> String {
        self.service.clone()
    }

    pub fn client(&self) -> Caller {
        self.caller(&self.key)
    }

    /// Whoever has that key.
    pub fn caller(&self, key: &str) -> Caller {
        Caller::with_key(&self.address(), &self.host(), key)
    }

    /// The first administrator, by the one-time link of the tenant's Secret.
    pub async fn admin(&self) -> Caller {
        let links = secret(&self.namespace, "albatross-admin-links");
        Caller::by_link(&self.address(), &self.host(), &links[0].1).await
    }

    /// Files the recorded flight by the example client; returns the PIREP's id once it is listed, a moment after it was written.
    pub async fn file_a_flight(&self) -> String {
        let output = Command::new(example("file-a-flight"))
            .args(["--url", &self.address(), "--key", &self.key])
            .output()
            .expect("Node runs the example client");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the flight was not filed: {said}");
        let url = String::from_utf8_lossy(&output.stdout);
        let id = url.trim().rsplit('/').next().unwrap_or_default().to_owned();
        let (pilot, path) = (self.client(), format!("/pireps/{id}"));
        recovered("the flight is listed", async || {
            pilot.status_of(&path).await == StatusCode::OK
        })
        .await;
        id
    }

    /// What there is to lose of a flight that was filed, once it is seen to be submitted.
    pub async fn kept(&self, id: &str) -> Value {
        let (pilot, path) = (self.client(), format!("/pireps/{id}"));
        let mut pirep = Value::Null;
        recovered("the flight is submitted", async || {
            pirep = pilot.get(&path).await;
            pirep["state"] == "Submitted"
        })
        .await;
        assert_eq!(pirep["track"]["positions"], 2_110);
        let track = pilot.get(&format!("{path}/track")).await;
        json!({"plan": pirep["plan"], "pilot": pirep["pilot"], "submittedAt": pirep["submittedAt"], "track": track})
    }
}
