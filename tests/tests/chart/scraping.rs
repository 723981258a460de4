//! Whom Prometheus asks for metrics, and who lets it: the chart's monitors beside what the operator builds.

use std::fs;
use std::process::Command;

use albatross_crds::tenant_namespace;
use albatross_tests::api_server::api_server;
use albatross_tests::chart;
use albatross_tests::wait::until;
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::DynamicObject;
use kube::core::{GroupVersionKind, Selector, SelectorExt};
use kube::discovery::pinned_kind;
use kube::{Client, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::monitoring::{ALL, find};
use crate::render;

const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/prometheus");
const SNAPSHOTS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../operator/src/tenant/build/snapshots/albatross_operator__tenant__build__"
);
const API: &str = "deployment__tests__api_is_as_reviewed";
const WORKER: &str = "deployment__tests__worker_is_as_reviewed_and_takes_the_work_from_api";

/// What the operator builds for a tenant called skyways, by its own reviewed snapshot.
fn built<T: DeserializeOwned>(snapshot: &str) -> T {
    let text = fs::read_to_string(format!("{SNAPSHOTS}{snapshot}.snap")).unwrap();
    let (_, yaml) = text.split_once("\n---\n").unwrap();
    serde_yaml_ng::from_str(yaml).unwrap()
}

fn selects(selector: &LabelSelector, workload: &Value) -> bool {
    let labels = &workload["spec"]["template"]["metadata"]["labels"];
    let labels = serde_json::from_value(labels.clone()).unwrap();
    Selector::try_from(selector.clone())
        .unwrap()
        .matches(&labels)
}

fn monitor() -> Value {
    let objects = render(&ALL).unwrap();
    json!(find(&objects, "PodMonitor", "albatross-tenants").unwrap())["spec"].take()
}

#[test]
fn the_pods_that_serve_an_airline_are_asked_at_their_port_and_no_others() {
    let monitor = monitor();
    assert_eq!(monitor["namespaceSelector"]["any"], true);
    let selector = serde_json::from_value(monitor["selector"].clone()).unwrap();
    let endpoint = &monitor["podMetricsEndpoints"][0];
    for workload in [API, WORKER] {
        let workload: Value = built(workload);
        assert!(selects(&selector, &workload));
        let ports = &workload["spec"]["template"]["spec"]["containers"][0]["ports"];
        let mut ports = ports.as_array().unwrap().iter();
        let asked = ports.find(|port| port["name"] == endpoint["port"]).unwrap();
        assert_eq!(asked["containerPort"], 8082);
    }
    assert!(!selects(&selector, &built("job__tests__is_as_reviewed")));
    let objects = render(&[]).unwrap();
    let operator = find(&objects, "Deployment", "albatross-operator").unwrap();
    assert!(!selects(&selector, &operator.data));
}

#[test]
fn whose_a_pod_is_is_told_by_its_namespace() {
    let workload: Value = built(API);
    assert_eq!(
        workload["metadata"]["namespace"],
        tenant_namespace("skyways")
    );
    let named = json!({
        "sourceLabels": ["__meta_kubernetes_namespace"], "targetLabel": "tenant",
        "regex": tenant_namespace("(.+)"),
    });
    let known = json!({"sourceLabels": ["tenant"], "regex": ".+", "action": "keep"});
    let relabelings = &monitor()["podMetricsEndpoints"][0]["relabelings"];
    assert_eq!(*relabelings, json!([named, known]));
}

#[test]
fn an_airline_lets_prometheus_in_to_that_port_and_to_no_other() {
    let policies: Vec<NetworkPolicy> = built("network_policy__tests__is_as_reviewed");
    let mut policies = policies.into_iter();
    let policy = policies.find(|policy| policy.name_any() == "allow-metrics");
    let spec = policy.unwrap().spec.unwrap();
    for workload in [API, WORKER] {
        let pods = spec.pod_selector.as_ref().unwrap();
        assert!(selects(pods, &built(workload)));
    }
    let rules = spec.ingress.unwrap();
    let ports = rules.iter().flat_map(|rule| rule.ports.iter().flatten());
    let ports: Vec<_> = ports.map(|port| port.port.clone().unwrap()).collect();
    assert_eq!(ports, [IntOrString::Int(8082)]);
}

/// As it lets in whoever may ask the airlines, and `helm test`.
#[test]
fn the_operator_lets_the_same_in() {
    let peers = |settings: &[&str]| {
        let objects = render(settings).unwrap();
        let policy = find(&objects, "NetworkPolicy", "albatross-operator").unwrap();
        let spec: NetworkPolicySpec = serde_json::from_value(policy.data["spec"].clone()).unwrap();
        json!(spec.ingress.unwrap()[0].from)
    };
    let prometheus = json!({"podSelector": {"matchLabels": {"app": "prometheus"}}, "namespaceSelector": {"matchLabels": {}}});
    let test = json!({"podSelector": {"matchLabels": {"app.kubernetes.io/name": "albatross-operator-test"}}});
    let address = json!({"ipBlock": {"cidr": "192.0.2.20/32"}});
    assert_eq!(peers(&ALL), json!([prometheus, address, test]));
    assert_eq!(peers(&[]), json!([{"namespaceSelector": {}}]));
}

#[test]
fn a_monitor_that_nobody_lets_in_is_refused() {
    let error = render(&["podMonitor.enabled=true"]).unwrap_err();
    assert!(error.contains("config.metricsFrom"), "{error}");
    let nobody = ["config.metricsFrom[0].namespaceSelector.name=monitoring"];
    let error = render(&nobody).unwrap_err();
    assert!(error.contains("/config/metricsFrom/0"), "{error}");
}

#[tokio::test]
async fn the_definitions_of_the_prometheus_operator_take_what_the_chart_has_for_it() {
    let client = api_server().await.client();
    let objects = render(&ALL).unwrap();
    let of_prometheus: Vec<DynamicObject> = objects
        .into_iter()
        .filter(|object| {
            let types = object.types.as_ref();
            types.is_some_and(|types| types.api_version.starts_with("monitoring.coreos.com/"))
        })
        .collect();
    assert_eq!(of_prometheus.len(), 3);
    define(&client).await;
    chart::install(&client, &of_prometheus).await;
}

/// By the Prometheus operator's own definitions.
pub async fn define(client: &Client) {
    let downloaded = Command::new("go")
        .args(["mod", "download", "-json"])
        .current_dir(MODULE)
        .output()
        .unwrap();
    let said: Value = serde_json::from_slice(&downloaded.stdout).unwrap();
    let folder = said["Dir"].as_str().unwrap_or_else(|| panic!("{said}"));
    let definitions = ["podmonitors", "prometheusrules", "servicemonitors"].map(|kind| {
        let file = format!("example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml");
        let text = fs::read_to_string(format!("{folder}/{file}")).unwrap();
        serde_yaml_ng::from_str::<DynamicObject>(&text).unwrap()
    });
    chart::install(client, &definitions).await;
    for kind in ["PodMonitor", "PrometheusRule", "ServiceMonitor"] {
        let kind = GroupVersionKind::gvk("monitoring.coreos.com", "v1", kind);
        until("it is served", async || {
            pinned_kind(client, &kind).await.is_ok()
        })
        .await;
    }
}
