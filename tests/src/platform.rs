//! A cluster with the chart on it, real servers beside it, and no nodes: what the operator's process finds.

mod gateway;
mod kubelet;
mod operator;
mod runtimes;
mod servers;
mod tenants;
mod world;

use std::path::PathBuf;

use kube::Client;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::task::AbortOnDropHandle;

use crate::api_server::{Exclusive, exclusive};
use crate::chart;
use crate::servers::{Servers, servers};

pub use self::gateway::HTTP_ROUTES;
pub use self::operator::Operator;
pub use self::runtimes::{Key, Migration, Runtime, Runtimes};
pub use self::servers::{Ways, bare};
pub use self::tenants::{CLIENTS, condition};
pub use self::world::Outside;

/// Everything around the operator, for the runtime of one test.
pub struct Platform {
    /// With every right.
    pub client: Client,
    pub servers: &'static Servers,
    /// What answers in the place of tenants' pods.
    pub runtimes: Runtimes,
    /// The release.
    objects: Vec<DynamicObject>,
    /// The operator's configuration and kubeconfigs.
    folder: TempDir,
    _kubelet: AbortOnDropHandle<()>,
    /// Given back last.
    pub api_server: Exclusive,
}

/// What the operator finds, and how.
pub struct Setting {
    pub api_server: Exclusive,
    /// Servers of its configuration by name.
    pub ways: Vec<(&'static str, Ways)>,
    pub runtimes: Runtimes,
    /// Where it finds them.
    pub runtimes_url: String,
    pub lease_seconds: u16,
    /// What the operator logs.
    pub log: &'static str,
    /// Tenants, and keys, that it works on at once.
    pub concurrency: u16,
    /// Where it sends traces.
    pub otlp: Option<String>,
    /// Who may ask for metrics.
    pub metrics_from: Value,
}

impl Setting {
    /// Every server once, and the runtimes, reached straight.
    ///
    /// # Panics
    /// When there are no servers.
    pub async fn straight() -> Self {
        let (api_server, servers) = tokio::join!(exclusive(), servers());
        let runtimes = Runtimes::start().await;
        Self {
            api_server,
            ways: vec![("main", Ways::straight(servers))],
            runtimes_url: runtimes.url(),
            runtimes,
            // A busy machine holds up renewals, and whoever is late ends.
            lease_seconds: 60,
            log: "albatross_operator=debug,info",
            concurrency: 8,
            otlp: None,
            metrics_from: json!([]),
        }
    }

    /// The release's values.
    pub fn values(&self) -> Value {
        let each = |entry: fn(&str, &Ways) -> Value| -> Vec<Value> {
            let ways = self.ways.iter();
            ways.map(|(name, ways)| entry(name, ways)).collect()
        };
        json!({"config": {
            "servers": {
                "postgres": each(servers::postgres),
                "rabbitmq": each(servers::rabbitmq),
                "redis": each(servers::redis),
            },
            "defaults": {"placement": {"postgres": "main", "rabbitmq": "main", "redis": "main"}},
            "platformAdmins": [{"email": "ops@platform.example", "displayName": "Operations"}],
            "leaderElection": {"leaseSeconds": self.lease_seconds, "renewSeconds": 1},
            "concurrency": self.concurrency,
            "log": self.log,
            "otlp": self.otlp,
            "metricsFrom": self.metrics_from,
            "runtimeUrl": format!("{}/{{tenant}}/{{service}}", self.runtimes_url),
        }})
    }
}

impl Platform {
    /// Installs the chart.
    ///
    /// # Panics
    /// When something is missing.
    pub async fn with(setting: Setting) -> Self {
        let platform = Self::without_release(setting).await;
        platform.install().await;
        platform.create_accounts().await;
        platform
    }

    /// Leaves the chart, and the accounts in its namespace, to the test.
    ///
    /// # Panics
    /// When something is missing.
    pub async fn without_release(setting: Setting) -> Self {
        let client = setting.api_server.client();
        let objects = chart::render(&setting.values(), &[]);
        let objects = objects.unwrap_or_else(|error| panic!("the chart is refused: {error}"));
        let platform = Self {
            _kubelet: kubelet::start(&client, setting.runtimes.all()),
            folder: tempfile::tempdir().expect("a temporary folder"),
            runtimes: setting.runtimes,
            api_server: setting.api_server,
            client,
            servers: servers().await,
            objects,
        };
        let configuration = chart::configuration(&platform.objects);
        let written = std::fs::write(platform.configuration(), configuration);
        written.expect("a written configuration");
        platform
    }

    /// With every server once.
    ///
    /// # Panics
    /// When something is missing.
    pub async fn new() -> Self {
        Self::with(Setting::straight().await).await
    }

    /// Installs the chart once more.
    ///
    /// # Panics
    /// When the API server refuses an object.
    pub async fn install(&self) {
        chart::install(&self.client, &self.objects).await;
    }

    /// Changes the operator's configuration, which it reads when it starts.
    ///
    /// # Panics
    /// When the file cannot be read or written.
    pub fn configure(&self, change: impl FnOnce(&mut Value)) {
        let file = self.configuration();
        let text = std::fs::read_to_string(&file).expect("a configuration");
        let mut configuration = serde_yaml_ng::from_str(&text).expect("YAML");
        change(&mut configuration);
        let text = serde_yaml_ng::to_string(&configuration).expect("YAML");
        std::fs::write(&file, text).expect("a written configuration");
    }

    /// The operator's configuration file.
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("operator.yaml")
    }
}
