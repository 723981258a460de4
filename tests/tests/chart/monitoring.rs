//! What the chart has for those who look at operator and airlines from outside: `helm test`, a dashboard, alerts.

use std::collections::BTreeSet;
use std::time::Duration;

use albatross::adapters::memory;
use albatross::application::airline::Airline;
use albatross::application::relay::RelayMetrics;
use albatross::ports::supervisor::Supervisor;
use albatross_crds::Tenant;
use albatross_operator::config::OperatorConfig;
use albatross_operator::context::metrics::Metrics;
use albatross_operator::context::tenant_states::TenantStates;
use albatross_operator::tenant::fleet::Upgrades;
use albatross_tests::chart::configuration;
use albatross_tests::parts::parts;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::runtime::reflector;
use kube::runtime::watcher::Event;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::render;

pub const ALL: [&str; 6] = [
    "config.metricsFrom[0].podSelector.app=prometheus",
    "config.metricsFrom[1].cidrs[0]=192.0.2.20/32",
    "podMonitor.enabled=true",
    "serviceMonitor.enabled=true",
    "prometheusRule.enabled=true",
    "dashboard.enabled=true",
];

pub fn find<'a>(objects: &'a [DynamicObject], kind: &str, name: &str) -> Option<&'a DynamicObject> {
    objects.iter().find(|object| {
        let types = object.types.as_ref();
        types.is_some_and(|types| types.kind == kind) && object.name_any() == name
    })
}

#[test]
fn what_needs_prometheus_or_grafana_is_there_when_it_is_asked_for() {
    let kinds = [
        ("PodMonitor", "albatross-tenants"),
        ("ServiceMonitor", "albatross-operator"),
        ("PrometheusRule", "albatross-operator"),
        ("ConfigMap", "albatross-operator-dashboard"),
    ];
    let (without, with) = (render(&[]).unwrap(), render(&ALL).unwrap());
    for (kind, name) in kinds {
        assert!(find(&without, kind, name).is_none(), "{kind}");
        assert!(find(&with, kind, name).is_some(), "{kind}");
    }
    let [_, _, _, dashboard] = kinds.map(|(kind, name)| find(&with, kind, name).unwrap());
    assert_eq!(dashboard.labels()["grafana_dashboard"], "1");
}

/// Of the alerts and of the dashboard.
fn expressions() -> Vec<String> {
    let objects = render(&ALL).unwrap();
    let rule = find(&objects, "PrometheusRule", "albatross-operator").unwrap();
    let rules = rule.data["spec"]["groups"][0]["rules"].as_array().unwrap();
    let map = find(&objects, "ConfigMap", "albatross-operator-dashboard").unwrap();
    let dashboard = map.data["data"]["albatross-operator.json"]
        .as_str()
        .unwrap();
    let dashboard: Value = serde_json::from_str(dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap());
    let all = rules.iter().chain(targets);
    all.map(|it| it["expr"].as_str().unwrap().to_owned())
        .collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_lowercase() && letter != '_')
        .filter(|word| !word.is_empty())
}

/// What an airline's pods export once they have tried each lane, and a task has failed.
async fn of_runtimes() -> String {
    let stores = memory::open();
    let mut registry = Registry::default();
    let airline = Airline::new(parts(&stores), stores.schema_version);
    airline.register_metrics(&mut registry);
    airline.prepare().await.unwrap();
    airline.catch_up().await.unwrap();
    RelayMetrics::default().register(&mut registry);
    let supervisor = Supervisor::new(parts(&stores).entropy);
    supervisor.register_metrics(&mut registry);
    let stop = CancellationToken::new();
    let failing = supervisor.keep("relay", &stop, || std::future::ready(()));
    let moment = Duration::from_millis(10);
    tokio::time::timeout(moment, failing).await.unwrap_err();
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

fn stalled_tenant() -> Tenant {
    let declared = json!({
        "apiVersion": "albatross.aero/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": "skyways"},
        "spec": {
            "displayName": "Skyways",
            "icaoCode": "SKY",
            "host": "skyways.example",
            "admins": [{"email": "ada@skyways.example", "displayName": "Ada"}],
        },
        "status": {"conditions": [{
            "type": "Ready", "status": "False", "reason": "HostConflict", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]},
    });
    serde_json::from_value(declared).unwrap()
}

#[tokio::test]
async fn alerts_and_dashboard_ask_for_what_operator_and_runtimes_export() {
    let metrics = Metrics::new();
    metrics.written("apply", "Deployment");
    metrics.reconciled("Tenant", "settled", 0.1);
    metrics.called("postgres", true);
    metrics.waiting("Tenant", 1);
    metrics.waited("Tenant", 0.1);
    let (tenants, mut writer) = reflector::store();
    writer.apply_watcher_event(&Event::Apply(stalled_tenant()));
    metrics.add(TenantStates(tenants.clone()));
    let configuration = configuration(&render(&[]).unwrap()).to_owned();
    metrics.add(Upgrades {
        tenants,
        secrets: reflector::store().0,
        namespace: "albatross-system".to_owned(),
        config: OperatorConfig::parse(&configuration).unwrap(),
    });
    let exported = metrics.text().unwrap();
    let counted = "albatross_operator_tenants{ready=\"False\",reason=\"HostConflict\"} 1";
    assert!(exported.contains(counted), "{exported}");
    // Prometheus adds whose they are, see `scraping`.
    let of_runtimes = of_runtimes().await;
    let of_runtimes = of_runtimes.lines().map(|line| format!("{line} tenant\n"));
    let exported = exported + &of_runtimes.collect::<String>();
    let samples = exported.lines().filter(|line| !line.starts_with('#'));
    let samples: Vec<BTreeSet<&str>> = samples.map(|line| words(line).collect()).collect();
    let mut asked = BTreeSet::new();
    for expression in expressions() {
        for name in words(&expression).filter(|word| word.starts_with("albatross_")) {
            let labels = expression.split_once("by (").unwrap().1;
            let labels = words(labels.split_once(')').unwrap().0);
            let sample = samples.iter().find(|sample| sample.contains(name));
            let sample = sample.unwrap_or_else(|| panic!("{name} of {expression}"));
            for label in labels {
                assert!(sample.contains(label), "{label} of {expression}");
            }
            asked.insert(name.to_owned());
        }
    }
    assert_eq!(asked.len(), 14, "each metric is asked for: {asked:?}");
}

#[test]
fn the_test_of_the_release_asks_the_operators_service_and_may_do_nothing_else() {
    let objects = render(&["config.metricsFrom[0].podSelector.app=prometheus"]).unwrap();
    let test = find(&objects, "Pod", "albatross-operator-test").unwrap();
    assert_eq!(test.annotations()["helm.sh/hook"], "test");
    let pod: Pod = serde_json::from_value(json!(test)).unwrap();
    assert_eq!(json!(pod), json!(test), "no field is unknown");
    let spec = pod.spec.unwrap();
    assert_eq!(spec.automount_service_account_token, Some(false));
    assert_eq!(spec.service_account_name, None);
    let deployment = find(&objects, "Deployment", "albatross-operator").unwrap();
    let operator = &deployment.data["spec"]["template"]["spec"];
    let container = &spec.containers[0];
    assert_eq!(json!(container.image), operator["containers"][0]["image"]);
    let secured = &operator["containers"][0]["securityContext"];
    assert_eq!(json!(container.security_context), *secured);
    assert_eq!(json!(spec.security_context), operator["securityContext"]);
    let service = find(&objects, "Service", "albatross-operator").unwrap();
    let port = &service.data["spec"]["ports"][0]["port"];
    let url = format!("http://albatross-operator.albatross-system.svc:{port}/readyz");
    assert_eq!(container.args, Some(vec!["ready".to_owned(), url]));
    let policy = find(&objects, "NetworkPolicy", "albatross-operator").unwrap();
    let admitted = &policy.data["spec"]["ingress"][0]["from"][1]["podSelector"]["matchLabels"];
    let name = "app.kubernetes.io/name";
    assert_eq!(admitted[name], test.labels()[name]);
}
