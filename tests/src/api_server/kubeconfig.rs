//! The way of a ServiceAccount to the API server, as a process reads it.

use std::path::{Path, PathBuf};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::api_server::ApiServer;

impl ApiServer {
    /// A new token of a ServiceAccount.
    ///
    /// # Panics
    /// When there is no such account.
    pub async fn token(&self, namespace: &str, account: &str) -> String {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(7200),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let made = accounts
            .create_token_request(account, &PostParams::default(), &request)
            .await;
        let status = made.expect("a token").status;
        status.expect("a token").token
    }

    /// Writes a kubeconfig with that token. `url`: by another way than straight to the server.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn write_kubeconfig(&self, file: &Path, token: &str, url: Option<&str>) {
        let server = url.map_or_else(|| self.url(), str::to_owned);
        let authority = self.directory.join("pki/apiserver.crt");
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "account"}}],
            "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": authority}}],
            "users": [{"name": "account", "user": {"token": token}}],
        });
        std::fs::write(file, config.to_string()).expect("a written kubeconfig");
    }

    /// A kubeconfig with every right.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.join("kubeconfig")
    }

    /// Where it listens, such as `https://127.0.0.1:6443`.
    pub fn url(&self) -> String {
        self.config
            .cluster_url
            .to_string()
            .trim_end_matches('/')
            .to_owned()
    }

    /// The certificate that it shows, in PEM.
    ///
    /// # Panics
    /// When it has none.
    pub fn certificate(&self) -> Vec<u8> {
        std::fs::read(self.directory.join("pki/apiserver.crt")).expect("a certificate")
    }
}
