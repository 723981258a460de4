//! The operator as a process, with the rights of its ServiceAccount and no others.

use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::Value;

use crate::chart::NAMESPACE;
use crate::metrics;
use crate::platform::Platform;
use crate::processes::{self, Ended, Process, free_port};
use crate::wait::until;

const ACCOUNT: &str = "albatross-operator";

/// A running operator.
pub struct Operator {
    pub process: Process,
    pub identity: String,
    /// Of its token, as the audit log names it.
    pub credential: String,
    port: u16,
}

impl Platform {
    /// Starts an operator and returns once it leads.
    ///
    /// # Panics
    /// When it does not get there.
    pub async fn operator(&self) -> Operator {
        let mut operator = self.replica("operator").await;
        until("the operator leads", async || {
            operator.must_live();
            self.leader().await == operator.identity
        })
        .await;
        operator
    }

    /// Starts an operator and returns once it could lead.
    ///
    /// # Panics
    /// When it does not get there.
    pub async fn replica(&self, identity: &str) -> Operator {
        let mut operator = self.start(identity, None).await;
        let ready = format!("http://127.0.0.1:{}/readyz", operator.port);
        operator.process.answers(&ready, 200).await;
        operator
    }

    /// Starts an operator. `api_server`: the URL by which it goes to the API server, if not straight.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start(&self, identity: &str, api_server: Option<&str>) -> Operator {
        let token = self.api_server.token(NAMESPACE, ACCOUNT).await;
        self.api_server
            .write_kubeconfig(&self.kubeconfig(identity), &token, api_server);
        self.run(identity, format!("JTI={}", claim(&token, "jti")))
    }

    /// Starts an operator that has ended once more, as a node does with a container of a pod that stays.
    ///
    /// # Panics
    /// When it runs, or cannot be started.
    pub fn start_again(&self, mut ended: Operator) -> Operator {
        assert!(ended.process.has_ended());
        self.run(&ended.identity, ended.credential)
    }

    fn run(&self, identity: &str, credential: String) -> Operator {
        let port = free_port();
        let mut command = processes::operator(&["--namespace", NAMESPACE, "--identity", identity]);
        command
            .arg("--config")
            .arg(self.configuration())
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .env("KUBECONFIG", self.kubeconfig(identity));
        Operator {
            process: Process::start(command),
            identity: identity.to_owned(),
            credential,
            port,
        }
    }

    fn kubeconfig(&self, identity: &str) -> PathBuf {
        let file = format!("{identity}.kubeconfig");
        self.folder.path().join(file)
    }

    /// Who holds the Lease; empty if nobody does.
    ///
    /// # Panics
    /// When the API server does not say.
    pub async fn leader(&self) -> String {
        let api: Api<Lease> = Api::namespaced(self.client.clone(), NAMESPACE);
        let lease = api.get_opt("albatross-operator").await.expect("an answer");
        let spec = lease.and_then(|lease| lease.spec);
        spec.and_then(|spec| spec.holder_identity)
            .unwrap_or_default()
    }
}

impl Operator {
    /// The sum of a metric over the series whose line holds every one of `labels`.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let url = format!("http://127.0.0.1:{}/metrics", self.port);
        metrics::sum(&url, &format!("albatross_operator_{name}"), labels).await
    }

    /// Reconciliations of Tenants that have ended.
    pub async fn reconciliations(&self) -> f64 {
        self.metric("reconciles_total", &["Tenant"]).await
    }

    /// # Panics
    /// When it has ended, with its last words.
    pub fn must_live(&mut self) {
        assert!(!self.process.has_ended(), "it ended: {}", self.said());
    }

    /// Ends it in order, as a node does.
    pub async fn stop(self) -> Ended {
        self.process.terminate().await
    }

    /// Its log.
    pub fn said(&self) -> String {
        self.process.stdout() + &self.process.stderr()
    }
}

/// A claim of a token that needs no verification here.
fn claim(token: &str, name: &str) -> String {
    let payload = token.split('.').nth(1).unwrap_or_default();
    let json = BASE64_URL_SAFE_NO_PAD.decode(payload).expect("a token");
    let claims: Value = serde_json::from_slice(&json).expect("claims are JSON");
    claims[name].as_str().unwrap_or_default().to_owned()
}
