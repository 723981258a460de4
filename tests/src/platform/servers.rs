//! The servers of the operator's configuration, and its accounts on them.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use reqwest::Url;
use serde_json::{Value, json};

use crate::chart::NAMESPACE;
use crate::platform::Platform;
use crate::servers::Servers;

/// Where the operator finds a server of each kind: URLs, whose credentials it does not use.
#[derive(Clone, Debug)]
pub struct Ways {
    pub postgres: String,
    /// Of the management API.
    pub rabbitmq: String,
    pub redis: String,
    /// Secret with the operator's account on PostgreSQL.
    pub postgres_account: &'static str,
    /// Connections that tenants may hold to the PostgreSQL server.
    pub budget: u32,
}

impl Ways {
    pub fn straight(servers: &Servers) -> Self {
        Self {
            postgres: servers.database_url.clone(),
            rabbitmq: servers.rabbitmq_management_url.clone(),
            redis: servers.redis_url.clone(),
            postgres_account: "postgres",
            budget: 100_000,
        }
    }
}

impl Platform {
    /// The Secrets that the configuration names.
    ///
    /// # Panics
    /// When one is refused.
    pub async fn create_accounts(&self) {
        let servers = self.servers;
        let urls = [
            ("postgres", &servers.database_url),
            ("rabbitmq", &servers.rabbitmq_management_url),
            ("redis", &servers.redis_url),
        ];
        for (name, url) in urls {
            self.create_account(name, url).await;
        }
    }

    /// The Secret of an account whose credentials are in a URL.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn create_account(&self, name: &str, url: &str) {
        let url = parsed(url);
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "stringData": {"username": url.username(), "password": url.password()},
        });
        let api: Api<Secret> = Api::namespaced(self.client.clone(), NAMESPACE);
        let applied = api
            .patch(name, &PatchParams::apply("tests"), &Patch::Apply(&secret))
            .await;
        applied.expect("an applied Secret");
    }
}

pub fn postgres(name: &str, ways: &Ways) -> Value {
    let url = parsed(&ways.postgres);
    json!({
        "name": name, "host": url.host_str(), "port": url.port(), "adminSecret": ways.postgres_account,
        "connectionBudget": ways.budget, "egress": egress(),
    })
}

pub fn rabbitmq(name: &str, ways: &Ways) -> Value {
    json!({
        "name": name, "amqp": "amqp://192.0.2.1:5672", "management": bare(&ways.rabbitmq),
        "adminSecret": "rabbitmq", "egress": egress(),
    })
}

pub fn redis(name: &str, ways: &Ways) -> Value {
    json!({"name": name, "url": bare(&ways.redis), "adminSecret": "redis", "egress": egress()})
}

/// There are no pods that would need one.
fn egress() -> Value {
    json!({"cidrs": ["192.0.2.1/32"]})
}

/// Without credentials.
pub fn bare(url: &str) -> String {
    let mut url = parsed(url);
    url.set_username("")
        .and_then(|()| url.set_password(None))
        .expect("a server's URL can do without credentials");
    url.to_string().trim_end_matches('/').to_owned()
}

pub fn parsed(url: &str) -> Url {
    Url::parse(url).expect("a server has a URL")
}
