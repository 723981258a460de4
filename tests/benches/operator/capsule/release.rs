//! Capsule's release on an API server: its chart without the process.

use std::path::Path;
use std::process::Command;

use albatross_tests::api_server::{ApiServer, programs};
use albatross_tests::chart::helm;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kube::api::ApiResource;
use serde_json::json;

pub const NAMESPACE: &str = "capsule-system";
/// Of the process.
pub const ACCOUNT: &str = "capsule";
/// The same, as the API server knows it.
pub const USER: &str = "system:serviceaccount:capsule-system:capsule";
/// Who owns all tenants, and makes their namespaces.
pub const OWNER: &str = "airline-owner";
/// On each object that it makes.
pub const MADE: &str = "projectcapsule.dev/managed-by=controller";
/// Both configurations of them.
pub const WEBHOOKS: &str = "capsule-dynamic-webhook";
pub const TENANT: Kind = Kind("Tenant", "tenants");
pub const RULE_STATUS: Kind = Kind("RuleStatus", "rulestatuses");

/// One of its own, and the plural.
pub struct Kind(&'static str, &'static str);

impl Kind {
    pub fn resource(&self) -> ApiResource {
        ApiResource {
            group: "capsule.clastix.io".to_owned(),
            version: "v1beta2".to_owned(),
            api_version: "capsule.clastix.io/v1beta2".to_owned(),
            kind: self.0.to_owned(),
            plural: self.1.to_owned(),
        }
    }
}

/// For its webhooks, which the API server calls.
pub fn certify(folder: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "1"])
        .args([
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-subj",
            "/CN=capsule",
        ])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-keyout", "tls.key", "-out", "tls.crt"])
        .current_dir(folder)
        .output();
    assert!(
        made.unwrap().status.success(),
        "openssl makes a certificate"
    );
}

/// What its chart holds, which leaves the process to us.
pub fn install(api_server: &ApiServer, built: &Path, folder: &Path, webhooks: u16) {
    let certificate = std::fs::read(folder.join("tls.crt")).unwrap();
    let url = format!("https://127.0.0.1:{webhooks}");
    let values = json!({
        "crds": {"install": false},
        "replicaCount": 0,
        "certManager": {"generateCertificates": false},
        "manager": {"options": {"users": [{"kind": "User", "name": OWNER}]}},
        "webhooks": {"service": {"url": url, "caBundle": BASE64_STANDARD.encode(certificate)}},
    });
    let [values_file, release] = ["values.json", "release.yaml"].map(|it| folder.join(it));
    std::fs::write(&values_file, values.to_string()).unwrap();
    let chart = built.join("chart");
    let (chart, values_file) = (chart.to_str().unwrap(), values_file.to_str().unwrap());
    let render = [
        "template",
        "capsule",
        chart,
        "--no-hooks",
        "--namespace",
        NAMESPACE,
    ];
    let rendered = helm(&[&render[..], &["--values", values_file]].concat());
    std::fs::write(&release, rendered.unwrap()).unwrap();
    let apply = |folder: &str| {
        kubectl(
            api_server,
            &["apply", "--server-side", "--filename", folder],
        )
    };
    apply(&format!("{chart}/crds"));
    let wait = ["wait", "--for=condition=established", "--timeout=120s"];
    kubectl(api_server, &[&wait[..], &["crd", "--all"]].concat());
    kubectl(api_server, &["create", "namespace", NAMESPACE]);
    apply(release.to_str().unwrap());
}

fn kubectl(api_server: &ApiServer, arguments: &[&str]) {
    let output = Command::new(format!("{}/kubectl", programs().unwrap()))
        .args(arguments)
        .env("KUBECONFIG", api_server.kubeconfig())
        .output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", arguments.join(" "));
}
