//! A cluster with the chart on it, real servers beside it, and no nodes: what the operator's process finds.

mod kubelet;
mod operator;
mod runtimes;
mod servers;
mod tenants;
mod world;

use std::path::PathBuf;

use kube::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::task::AbortOnDropHandle;

use crate::api_server::{ApiServer, controlled_api_server};
use crate::chart;
use crate::servers::{Servers, servers};

pub use self::operator::Operator;
pub use self::runtimes::{Key, Runtime, Runtimes};
pub use self::servers::Ways;
pub use self::tenants::{CLIENTS, condition};
pub use self::world::Outside;

/// Everything around the operator, for the runtime of one test.
pub struct Platform {
    pub api_server: &'static ApiServer,
    /// With every right.
    pub client: Client,
    pub servers: &'static Servers,
    /// What answers in the place of tenants' pods.
    pub runtimes: Runtimes,
    /// The operator's configuration and kubeconfigs.
    folder: TempDir,
    _kubelet: AbortOnDropHandle<()>,
}

impl Platform {
    /// Installs the chart. `ways`: servers of the operator's configuration by name, as the operator reaches them.
    /// `runtimes`: where it finds the runtimes, if not straight.
    ///
    /// # Panics
    /// When something is missing.
    pub async fn with(ways: &[(&str, Ways)], runtimes_url: Option<&str>) -> Self {
        let (api_server, servers) = tokio::join!(controlled_api_server(), servers());
        let client = api_server.client();
        let runtimes = Runtimes::start().await;
        let runtimes_url = runtimes_url.map_or_else(|| runtimes.url(), str::to_owned);
        let platform = Self {
            _kubelet: kubelet::start(&client),
            folder: tempfile::tempdir().expect("a temporary folder"),
            api_server,
            client,
            servers,
            runtimes,
        };
        let objects = chart::render(&values(ways, &runtimes_url), &[]);
        let objects = objects.unwrap_or_else(|error| panic!("the chart is refused: {error}"));
        let written = std::fs::write(platform.configuration(), chart::configuration(&objects));
        written.expect("a written configuration");
        chart::install(&platform.client, &objects).await;
        platform.create_accounts().await;
        platform
    }

    /// The chart, and every server once, reached straight.
    ///
    /// # Panics
    /// When something is missing.
    pub async fn new() -> Self {
        Self::with(&[("main", Ways::straight(servers().await))], None).await
    }

    fn configuration(&self) -> PathBuf {
        self.folder.path().join("operator.yaml")
    }
}

fn values(ways: &[(&str, Ways)], runtimes: &str) -> Value {
    let each = |entry: fn(&str, &Ways) -> Value| -> Vec<Value> {
        ways.iter().map(|(name, ways)| entry(name, ways)).collect()
    };
    json!({"config": {
        "servers": {
            "postgres": each(servers::postgres),
            "rabbitmq": each(servers::rabbitmq),
            "redis": each(servers::redis),
        },
        "defaults": {"placement": {"postgres": "main", "rabbitmq": "main", "redis": "main"}},
        "platformAdmins": [{"email": "ops@platform.example", "displayName": "Operations"}],
        "leaderElection": {"leaseSeconds": 3, "renewSeconds": 1},
        "log": "albatross_operator=debug,info",
        "runtimeUrl": format!("{runtimes}/{{tenant}}"),
    }})
}
