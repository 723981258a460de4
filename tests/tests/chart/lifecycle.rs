//! The release by `helm` itself: installed, upgraded, uninstalled and installed again, around airlines that stay.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use albatross_tests::chart::{self, CHART, NAMESPACE};
use albatross_tests::platform::{CLIENTS, Operator, Outside, Platform, Setting};
use albatross_tests::wait::{recovered, until};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, ListParams, TypeMeta};
use kube::discovery::verbs;
use kube::{Api, Client, Discovery, ResourceExt};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::releases::{defined, older_chart};

const DEFINITIONS: [&str; 2] = [
    "CustomResourceDefinition apikeys.albatross.aero",
    "CustomResourceDefinition tenants.albatross.aero",
];
const AIRLINES: [&str; 2] = ["albatross-kept", CLIENTS];
/// What others make of objects, and tell of them.
const CONSEQUENCES: [&str; 4] = ["Event", "Lease", "Pod", "ReplicaSet"];

/// Whoever installs the release.
struct Helm {
    kubeconfig: PathBuf,
    folder: TempDir,
}

impl Helm {
    fn of(setting: &Setting) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(Self::values(&folder), setting.values().to_string()).unwrap();
        Self {
            kubeconfig: setting.api_server.kubeconfig(),
            folder,
        }
    }

    fn values(folder: &TempDir) -> PathBuf {
        folder.path().join("values.json")
    }

    async fn install(&self, release: &str, chart: &str, also: &[&str]) -> Result<String, String> {
        let values = Self::values(&self.folder);
        let values = ["--create-namespace", "--values", values.to_str().unwrap()];
        let command = ["install", release, chart, "--wait", "--timeout", "2m"];
        self.run(&[&command[..], &values, also].concat()).await
    }

    /// With the values that the release has, and `also`.
    async fn upgrade(&self, also: &[&str]) {
        let command = ["upgrade", "albatross", CHART, "--wait", "--timeout", "2m"];
        let values = ["--reset-then-reuse-values"];
        let upgraded = self.run(&[&command[..], &values, also].concat()).await;
        upgraded.unwrap();
    }

    async fn uninstall(&self, release: &str) {
        self.run(&["uninstall", release]).await.unwrap();
    }

    /// On a thread of its own: what it waits for goes on meanwhile.
    async fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let kubeconfig = self.kubeconfig.to_str().unwrap();
        let to = ["--namespace", NAMESPACE, "--kubeconfig", kubeconfig];
        let all = [arguments, &to].concat();
        let all: Vec<String> = all.into_iter().map(str::to_owned).collect();
        let said = tokio::task::spawn_blocking(move || {
            chart::helm(&all.iter().map(String::as_str).collect::<Vec<_>>())
        });
        said.await.unwrap()
    }
}

#[tokio::test]
async fn airlines_stay_as_they_are_while_the_release_is_upgraded_uninstalled_and_installed_again() {
    let setting = Setting::straight().await;
    let helm = Helm::of(&setting);
    let platform = Platform::without_release(setting).await;
    let older = older_chart(helm.folder.path());
    helm.install("albatross", &older, &[]).await.unwrap();
    platform.create_accounts().await;
    platform.client_namespace().await;
    let operator = leading(&platform, "before").await;
    declare(&platform).await;
    let record = platform.record("kept").await;
    let before = seen(&platform.client).await;
    assert!(knows(&platform, &older).await);

    helm.upgrade(&["--set", "replicas=2,config.concurrency=3"])
        .await;
    assert!(knows(&platform, CHART).await);
    assert_eq!(seen(&platform.client).await, before);
    let of_release = release(&platform.client).await;
    let operators = &of_release["Deployment albatross-system/albatross-operator"];
    assert_eq!(operators["spec"]["replicas"], 2);

    helm.upgrade(&[]).await;
    assert_eq!(release(&platform.client).await, of_release);
    helm.upgrade(&[
        "--set",
        "crds.install=false,admissionPolicies.enabled=false",
    ])
    .await;
    assert_eq!(seen(&platform.client).await, before);
    helm.upgrade(&["--set", "crds.install=true,admissionPolicies.enabled=true"])
        .await;
    let all = names(&of_release);
    assert_eq!(names(&release(&platform.client).await), all);

    // Before its end, as pods have some seconds.
    helm.uninstall("albatross").await;
    operator.stop().await;
    let left = release(&platform.client).await;
    assert_eq!(names(&left), DEFINITIONS);
    assert_eq!(seen(&platform.client).await, before);
    assert_eq!(platform.outside(&record).await, Outside::ALL);

    let settings = ["--set", "replicas=2,config.concurrency=3"];
    let again = helm.install("albatross", CHART, &settings).await;
    again.unwrap();
    assert_eq!(names(&release(&platform.client).await), all);
    helm.uninstall("albatross").await;

    let other = helm.install("other", CHART, &settings).await;
    let refused = other.unwrap_err();
    assert!(refused.contains("invalid ownership metadata"), "{refused}");
    let settings = [&settings[..], &["--take-ownership"]].concat();
    helm.install("other", CHART, &settings).await.unwrap();
    assert_eq!(seen(&platform.client).await, before);
    carries_on(&platform, &before).await;
}

#[tokio::test]
async fn airlines_stay_as_they_are_while_an_upgrade_is_rolled_back() {
    let setting = Setting::straight().await;
    let helm = Helm::of(&setting);
    let platform = Platform::without_release(setting).await;
    let older = older_chart(helm.folder.path());
    helm.install("albatross", &older, &[]).await.unwrap();
    platform.create_accounts().await;
    platform.client_namespace().await;
    let operator = leading(&platform, "before").await;
    declare(&platform).await;
    let record = platform.record("kept").await;
    let (before, released) = (
        seen(&platform.client).await,
        release(&platform.client).await,
    );
    helm.upgrade(&["--set", "replicas=2,config.concurrency=3"])
        .await;
    assert!(knows(&platform, CHART).await);
    operator.stop().await;
    leading(&platform, "upgraded").await.stop().await;

    let command = ["rollback", "albatross", "1", "--wait", "--timeout", "2m"];
    helm.run(&command).await.unwrap();
    assert!(knows(&platform, &older).await);
    assert_eq!(seen(&platform.client).await, before);
    let back = release(&platform.client).await;
    assert_eq!(names(&back), names(&released));
    let operators = "Deployment albatross-system/albatross-operator";
    assert_eq!(back[operators]["spec"], released[operators]["spec"]);
    assert_eq!(platform.outside(&record).await, Outside::ALL);
    carries_on(&platform, &before).await;
}

/// With an object of most kinds, and data that go with it if it ever is deleted.
async fn declare(platform: &Platform) {
    let spec = json!({
        "owners": [{"kind": "Group", "name": "kept-ops"}],
        "quota": {"pods": 20},
        "worker": {"replicas": 1},
        "limits": {"pilots": 100},
        "exposure": {"ingress": {"className": "nginx", "tlsSecretName": "tls"}},
    });
    platform.airline("kept", spec).await;
    platform.leave_a_mark("kept").await;
    platform.declare_key("kept-acars", "kept", json!({})).await;
    platform
        .key_comes_to("kept-acars", "True", "Available")
        .await;
}

/// Another operator than before, with the configuration that the release has.
async fn leading(platform: &Platform, identity: &str) -> Operator {
    let maps: Api<ConfigMap> = Api::namespaced(platform.client.clone(), NAMESPACE);
    let map = maps.get("albatross-operator").await.unwrap();
    let configuration = &map.data.unwrap()["operator.yaml"];
    fs::write(platform.configuration(), configuration).unwrap();
    let operator = platform.replica(identity).await;
    recovered("it leads", async || platform.leader().await == identity).await;
    operator
}

/// Whether the definitions are those of a chart.
async fn knows(platform: &Platform, chart: &str) -> bool {
    let api: Api<CustomResourceDefinition> = Api::all(platform.client.clone());
    let mut all = true;
    for definition in defined(chart) {
        let found = api.get(&definition.name_any()).await.unwrap();
        all &= found.spec.versions == definition.spec.versions;
    }
    all
}

/// What was there is left alone by the new operator; what is declared from now on is done.
async fn carries_on(platform: &Platform, before: &BTreeMap<String, Value>) {
    let operator = leading(platform, "after").await;
    until("both are looked at", async || {
        operator.metric("reconciles_total", &["Tenant"]).await >= 1.0
            && operator.metric("reconciles_total", &["ApiKey"]).await >= 1.0
    })
    .await;
    assert_eq!(seen(&platform.client).await, *before);
    assert!(platform.has_its_mark("kept").await);
    platform.lets_in("kept").await;
    let key = &platform.client_secret("kept-acars").await["keyId"];
    assert_eq!(platform.runtimes.of("kept").live_keys(), [key]);
    let two = json!({"api": {"replicas": 2}});
    platform.change("kept", two).await;
    let tenant = platform.ready("kept").await;
    assert_eq!(tenant.status.unwrap().api.unwrap().ready_replicas, 2);
    platform.remove_key("kept-acars").await;
    platform.remove("kept").await;
    operator.stop().await;
}

/// All that airlines consist of, as it is declared, by kind and name; and the UIDs of the definitions.
async fn seen(client: &Client) -> BTreeMap<String, Value> {
    let objects = objects(client).await.into_iter();
    let seen = objects.filter_map(|(name, object)| {
        if DEFINITIONS.contains(&&*name) {
            return Some((name, json!(object.uid())));
        }
        let group = &object.types.as_ref()?.api_version;
        let namespace = object.namespace().unwrap_or_else(|| object.name_any());
        let is_theirs = group.starts_with("albatross.aero/")
            || object.labels().contains_key("albatross.aero/tenant")
            || AIRLINES.contains(&&*namespace);
        is_theirs.then(|| (name, declared(object)))
    });
    seen.collect()
}

/// All that the release consists of, likewise.
async fn release(client: &Client) -> BTreeMap<String, Value> {
    let objects = objects(client).await.into_iter();
    let of_release = objects.filter(|(_, object)| {
        let by = object.labels().get("app.kubernetes.io/managed-by");
        by.is_some_and(|by| by == "Helm")
    });
    let of_release = of_release.map(|(name, object)| (name, declared(object)));
    of_release.collect()
}

fn names(objects: &BTreeMap<String, Value>) -> Vec<&str> {
    objects.keys().map(String::as_str).collect()
}

/// Without what follows from it, and by which others tell versions apart.
fn declared(mut object: DynamicObject) -> Value {
    object.metadata.managed_fields = None;
    object.metadata.resource_version = None;
    let mut object = json!(object);
    object.as_object_mut().unwrap().remove("status");
    object
}

/// Every object of the cluster.
async fn objects(client: &Client) -> BTreeMap<String, DynamicObject> {
    let discovery = Discovery::new(client.clone()).run().await.unwrap();
    let kinds = discovery
        .groups()
        .flat_map(|group| group.recommended_resources())
        .filter(|(kind, can)| {
            can.supports_operation(verbs::LIST) && !CONSEQUENCES.contains(&&*kind.kind)
        });
    let mut found = BTreeMap::new();
    for (kind, _) in kinds {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
        for mut object in api.list(&ListParams::default()).await.unwrap() {
            object.types = Some(TypeMeta {
                api_version: kind.api_version.clone(),
                kind: kind.kind.clone(),
            });
            let name = match object.namespace() {
                Some(namespace) => format!("{} {namespace}/{}", kind.kind, object.name_any()),
                None => format!("{} {}", kind.kind, object.name_any()),
            };
            found.insert(name, object);
        }
    }
    found
}
