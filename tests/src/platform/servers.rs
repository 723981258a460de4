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
    /// Secret with whoever has signed their certificates, where all of them speak TLS.
    pub authority: Option<&'static str>,
}

impl Ways {
    pub fn straight(servers: &Servers) -> Self {
        Self {
            postgres: servers.database_url.clone(),
            rabbitmq: servers.rabbitmq_management_url.clone(),
            redis: servers.redis_url.clone(),
            postgres_account: "postgres",
            budget: 100_000,
            authority: None,
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
    let tls = ways.authority.map_or("disable", |_| "verify-full");
    let server = json!({
        "name": name, "host": url.host_str(), "port": url.port(), "adminSecret": ways.postgres_account,
        "connectionBudget": ways.budget, "tls": tls, "egress": egress(),
    });
    believed(server, ways)
}

pub fn rabbitmq(name: &str, ways: &Ways) -> Value {
    let scheme = ways.authority.map_or("amqp", |_| "amqps");
    let server = json!({
        "name": name, "amqp": format!("{scheme}://192.0.2.1:5672"), "management": bare(&ways.rabbitmq),
        "adminSecret": "rabbitmq", "egress": egress(),
    });
    believed(server, ways)
}

pub fn redis(name: &str, ways: &Ways) -> Value {
    let url = bare(&ways.redis);
    let server = json!({"name": name, "url": url, "adminSecret": "redis", "egress": egress()});
    believed(server, ways)
}

fn believed(mut server: Value, ways: &Ways) -> Value {
    if let Some(authority) = ways.authority {
        server["caSecret"] = json!(authority);
    }
    server
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
