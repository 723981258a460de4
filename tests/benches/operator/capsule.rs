//! Capsule, a process beside an API server of its own: what it makes for as many tenants. `make bench-operator` builds it.

mod bare;
mod release;

use std::fmt::Debug;
use std::path::PathBuf;
use std::time::Duration;

use albatross_tests::api_server::{Exclusive, exclusive};
use albatross_tests::bench::processor;
use albatross_tests::metrics;
use albatross_tests::processes::{self, Process, free_port};
use albatross_tests::wait::until;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{LimitRange, Namespace, ResourceQuota};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DynamicObject, PostParams};
use kube::{Api, Client, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::release::{ACCOUNT, MADE, NAMESPACE, OWNER, RULE_STATUS, TENANT, USER};
use crate::asked::Log;
use crate::fleet::{CREATED_AT_ONCE, settled};
use crate::seen::Seen;

const GO_MODULE: &str = include_str!("../../capsule/go.mod");
const MODULE: &str = "github.com/projectcapsule/capsule";
/// Where it tells how it is; no option changes that.
const HEALTH: &str = "http://127.0.0.1:10080/readyz";
/// Of each tenant, in its namespace.
const OBJECTS: usize = 7;
const RETRY: Duration = Duration::from_millis(50);

/// How it is measured, for the reader of the table.
pub const NOTES: [&str; 3] = [
    "Capsule is asked for less: 7 objects in a namespace that the tenant's owner makes (RuleStatus, ResourceQuota, LimitRange, \
     NetworkPolicy, three RoleBindings), nothing outside the cluster and no pods. Of ours, all objects count, and the databases, \
     vhosts and users that come before the last of them.",
    "It follows ours, on a fresh API server of its own, built and started alike. Its chart installs it, with its webhooks; they have \
     a certificate that is made for them. It works on as many tenants at once as ours, and its client's limit of 20 requests a \
     second is lifted, which would be measured instead.",
    "Time is counted from the first declaration to the last object of all tenants, processor time until nothing is reconciled any \
     more; ours are sums over the steps.",
];

pub struct Capsule {
    log: Log,
    process: Process,
    /// Of its controllers.
    metrics: String,
    owned: Seen,
    made: Vec<Seen>,
    client: Client,
    tenants: Api<DynamicObject>,
    /// As their owner.
    namespaces: Api<Namespace>,
    requests: Semaphore,
    /// Certificate and kubeconfig.
    _folder: TempDir,
    /// Given back last.
    _api_server: Exclusive,
}

/// What so many tenants took.
pub struct Run {
    pub applied: Duration,
    /// The same objects, by a bare client.
    pub bare: Duration,
    pub processor: Duration,
    /// Mebibytes.
    pub peak: f64,
    /// For each object.
    pub writes: f64,
}

impl Capsule {
    /// Installs and starts the one in the folder `ALBATROSS_CAPSULE`; none without it.
    pub async fn start() -> Option<Self> {
        let built = PathBuf::from(std::env::var_os("ALBATROSS_CAPSULE")?);
        let api_server = exclusive().await;
        let folder = tempfile::tempdir().unwrap();
        let webhooks = free_port();
        release::certify(folder.path());
        release::install(&api_server, &built, folder.path(), webhooks);
        let token = api_server.token(NAMESPACE, ACCOUNT).await;
        let kubeconfig = folder.path().join("kubeconfig");
        api_server.write_kubeconfig(&kubeconfig, &token, None);
        let metrics = format!("127.0.0.1:{}", free_port());
        // What is not about places is as its chart has it, but for the work at once and the limit of its client.
        let mut command = processes::command(
            &built.join("controller"),
            &[
                "--enable-leader-election=true",
                "--cache-sync-timeout=4m",
                "--zap-log-level=info",
                "--workers=8",
                "--client-connection-qps=-1",
                &format!("--webhook-port={webhooks}"),
                &format!("--webhook-cert-path={}", folder.path().display()),
                &format!("--metrics-addr={metrics}"),
            ],
        );
        command
            .env("NAMESPACE", NAMESPACE)
            .env("SERVICE_ACCOUNT", ACCOUNT)
            .env("KUBECONFIG", kubeconfig);
        let mut process = Process::start(command);
        process.answers(HEALTH, 200).await;
        let client = api_server.client();
        let tenants = Api::all_with(client.clone(), &TENANT.resource());
        let capsule = Self {
            log: Log::new(*api_server, USER),
            process,
            metrics: format!("http://{metrics}/metrics"),
            owned: Seen::of(tenants.clone(), "", is_owned),
            made: made(&client),
            client,
            tenants,
            namespaces: Api::all(api_server.client_as(OWNER)),
            requests: Semaphore::new(CREATED_AT_ONCE),
            _folder: folder,
            _api_server: api_server,
        };
        capsule.warm().await;
        Some(capsule)
    }

    /// Declares so many tenants and their namespaces, and ends once it has nothing left to do.
    pub async fn send(mut self, count: usize) -> Run {
        let names: Vec<String> = (0..count).map(|it| format!("airline-{it:04}")).collect();
        eprintln!("{count} tenants of {}", version());
        self.log.take();
        let before = processor::of(self.process.id());
        let begun = Instant::now();
        let declared = stream::iter(&names).for_each_concurrent(None, |name| self.declare(name));
        tokio::join!(declared, self.exist(&names));
        let applied = begun.elapsed();
        self.settled().await;
        let asked = self.log.take();
        asked.tell();
        let processor = processor::of(self.process.id()) - before;
        let peak = processor::peak_mebibytes(self.process.id());
        self.process.terminate().await;
        Run {
            applied,
            bare: bare::send(&self.client, &names).await,
            processor,
            peak,
            writes: asked.writes as f64 / (count * OBJECTS) as f64,
        }
    }

    /// Once it leads, it makes its webhooks; a namespace that they have not seen belongs to nobody.
    async fn warm(&self) {
        let name = "warm";
        self.create(&self.tenants, tenant(name)).await;
        self.owned.one(name).await;
        let rehearsal = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let namespace = serde_json::from_value(namespace(name)).unwrap();
        until("its webhooks are asked", async || {
            let made = self.namespaces.create(&rehearsal, &namespace).await;
            made.is_ok_and(|made| !made.owner_references().is_empty())
        })
        .await;
        self.create(&self.namespaces, self::namespace(name)).await;
        self.exist(&[name.to_owned()]).await;
        self.settled().await;
    }

    async fn declare(&self, name: &str) {
        self.create(&self.tenants, tenant(name)).await;
        self.owned.one(name).await;
        self.create(&self.namespaces, namespace(name)).await;
    }

    /// What its webhooks read may be a little behind what the API server knows.
    async fn create<K>(&self, api: &Api<K>, object: Value)
    where
        K: Clone + Debug + DeserializeOwned + Serialize,
    {
        let object = serde_json::from_value(object).unwrap();
        loop {
            let turn = self.requests.acquire().await.unwrap();
            match api.create(&PostParams::default(), &object).await {
                Ok(_) => return,
                Err(error) => eprintln!("{error}"),
            }
            drop(turn);
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn exist(&self, namespaces: &[String]) {
        for seen in &self.made {
            seen.all("namespaces have an object", namespaces).await;
        }
    }

    async fn settled(&self) {
        let name = "controller_runtime_reconcile_total";
        settled(async || metrics::sum(&self.metrics, name, &[]).await).await;
    }
}

/// Its name, with the version that is built.
pub fn version() -> String {
    let begin = format!("{MODULE} v");
    let (_, rest) = GO_MODULE.split_once(&begin).unwrap();
    let version = rest.split_whitespace().next().unwrap();
    format!("Capsule {version}")
}

/// Has a quota, limits, a policy and a role of somebody else's in its namespace, beside those of its owner.
fn tenant(name: &str) -> Value {
    let auditors =
        json!({"kind": "Group", "name": "auditors", "apiGroup": "rbac.authorization.k8s.io"});
    let limits =
        json!({"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "50m"}});
    let policy = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
    json!({
        "apiVersion": "capsule.clastix.io/v1beta2", "kind": "Tenant", "metadata": {"name": name},
        "spec": {
            "owners": [{"kind": "User", "name": OWNER}],
            "additionalRoleBindings": [{"clusterRoleName": "view", "subjects": [auditors]}],
            "resourceQuotas": {"items": [{"hard": {"pods": "20", "requests.cpu": "4"}}]},
            "limitRanges": {"items": [{"limits": [limits]}]},
            "networkPolicies": {"items": [policy]},
        },
    })
}

fn namespace(name: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"capsule.clastix.io/tenant": name}}})
}

/// Before, its owner may make no namespace.
fn is_owned(tenant: &DynamicObject) -> bool {
    tenant.data["status"]["owners"].is_array()
}

/// The objects of each namespace.
fn made(client: &Client) -> Vec<Seen> {
    let all = || Api::<RoleBinding>::all(client.clone());
    let statuses: Api<DynamicObject> = Api::all_with(client.clone(), &RULE_STATUS.resource());
    let seen = vec![
        Seen::of(statuses, MADE, |_| true),
        Seen::of(Api::<NetworkPolicy>::all(client.clone()), MADE, |_| true),
        Seen::of(Api::<LimitRange>::all(client.clone()), MADE, |_| true),
        Seen::of(Api::<ResourceQuota>::all(client.clone()), MADE, |_| true),
        Seen::of(all(), MADE, |it| it.role_ref.name == "admin"),
        Seen::of(all(), MADE, |it| {
            it.role_ref.name == "capsule-namespace-deleter"
        }),
        Seen::of(all(), MADE, |it| it.role_ref.name == "view"),
    ];
    assert_eq!(seen.len(), OBJECTS);
    seen
}
