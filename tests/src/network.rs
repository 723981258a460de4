//! Who may reach whom by NetworkPolicies, as cyclonus judges it: where there are no nodes, nothing enforces them.

use std::collections::BTreeMap;
use std::process::Command;

use k8s_openapi::List;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use serde_json::{Value, json};

use crate::api_server::programs;

pub type Labels = BTreeMap<String, String>;

/// Somebody with an address.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: &'static str,
    /// None for who is outside the cluster, or on a node.
    pub pod: Option<Pod>,
}

/// What policies go by.
#[derive(Clone, Debug)]
pub struct Pod {
    pub namespace: String,
    pub namespace_labels: Labels,
    pub labels: Labels,
}

/// Where a peer listens.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    pub number: u16,
    /// Of the container's port, by which a policy may name it.
    pub name: &'static str,
    pub protocol: &'static str,
}

/// A connection that somebody would like to have.
#[derive(Clone, Debug)]
pub struct Attempt<'a> {
    pub from: &'a Peer,
    pub to: &'a Peer,
    pub port: Port,
}

/// Whether the policies let each attempt through, on both of its ends.
///
/// # Panics
/// When the evaluator does not answer for each.
pub fn judge(policies: &[NetworkPolicy], attempts: &[Attempt<'_>]) -> Vec<bool> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [applied, asked] = ["policies.json", "traffic.json"].map(|name| folder.path().join(name));
    let policies = List {
        items: policies.to_vec(),
        ..List::default()
    };
    let attempts: Vec<Value> = attempts.iter().map(traffic).collect();
    std::fs::write(&applied, json!(policies).to_string()).expect("written policies");
    std::fs::write(&asked, json!(attempts).to_string()).expect("written attempts");
    let mut cyclonus = Command::new(format!("{}/cyclonus", programs().expect("programs")));
    cyclonus
        .args(["analyze", "--mode", "query-traffic", "--policy-path"])
        .arg(&applied)
        .arg("--traffic-path")
        .arg(&asked);
    let output = cyclonus.output().expect("cyclonus runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let answers = said.lines().filter(|line| line.contains("IS ALLOWED?"));
    let answers: Vec<bool> = answers.map(verdict).collect();
    assert_eq!(answers.len(), attempts.len(), "{said}");
    answers
}

fn verdict(line: &str) -> bool {
    match (line.contains("TRUE"), line.contains("FALSE")) {
        (true, false) => true,
        (false, true) => false,
        _ => panic!("no verdict: {line}"),
    }
}

fn traffic(attempt: &Attempt<'_>) -> Value {
    json!({
        "Source": peer(attempt.from), "Destination": peer(attempt.to), "Protocol": attempt.port.protocol,
        "ResolvedPort": attempt.port.number, "ResolvedPortName": attempt.port.name,
    })
}

fn peer(peer: &Peer) -> Value {
    let internal = peer.pod.as_ref().map(|pod| {
        json!({"Namespace": pod.namespace, "NamespaceLabels": pod.namespace_labels, "PodLabels": pod.labels})
    });
    json!({"IP": peer.address, "Internal": internal})
}
