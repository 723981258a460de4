//! A platform whose operator makes all its calls through gates, and is started again whenever it dies.

use std::sync::Arc;

use albatross_crds::{ApiKey, Tenant};
use albatross_tests::faults::{HttpGate, Journal, TcpGate};
use albatross_tests::platform::{Platform, Setting, Ways, condition};
use albatross_tests::servers::servers;
use albatross_tests::wait::until;
use futures::StreamExt;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::task::AbortOnDropHandle;

pub struct World {
    pub platform: Platform,
    pub journal: Arc<Journal>,
    /// As they are now; asking the API server again and again would keep it busy.
    pub tenants: Store<Tenant>,
    pub api_keys: Store<ApiKey>,
    dying: UnboundedReceiver<()>,
    kubernetes: HttpGate,
    _others: (HttpGate, HttpGate, TcpGate, TcpGate),
    _watches: [AbortOnDropHandle<()>; 2],
}

impl World {
    pub async fn new() -> Self {
        let servers = servers().await;
        let (journal, dying) = Journal::new();
        let journal = Arc::new(journal);
        let mut setting = Setting::straight().await;
        let certificate = setting.api_server.certificate();
        let kubernetes = HttpGate::before(
            &setting.api_server.url(),
            "kubernetes",
            Some(&certificate),
            &journal,
        )
        .await;
        let runtimes = HttpGate::before(&setting.runtimes.url(), "runtime", None, &journal).await;
        let rabbitmq =
            HttpGate::before(&servers.rabbitmq_management_url, "rabbitmq", None, &journal).await;
        let postgres = TcpGate::before(&servers.database_url, "postgres", &journal).await;
        let redis = TcpGate::before(&servers.redis_url, "redis", &journal).await;
        setting.runtimes_url = runtimes.url();
        let ways = Ways {
            postgres: postgres.url(&servers.database_url),
            rabbitmq: rabbitmq.url(),
            redis: redis.url(&servers.redis_url),
            ..Ways::straight(servers)
        };
        setting.ways = vec![("main", ways)];
        let platform = Platform::with(setting).await;
        platform.client_namespace().await;
        platform.install_the_gateway_api().await;
        let (tenants, watched_tenants) = watch(&platform.client);
        let (api_keys, watched_keys) = watch(&platform.client);
        Self {
            platform,
            journal,
            tenants,
            api_keys,
            dying,
            kubernetes,
            _others: (runtimes, rabbitmq, postgres, redis),
            _watches: [watched_tenants, watched_keys],
        }
    }

    /// Changes members of a tenant's spec, and waits until `tenants` shows it.
    pub async fn change(&self, tenant: &str, change: Value) {
        self.platform.change(tenant, change).await;
        let declared = self.platform.tenant(tenant).await.unwrap();
        until("the change is shown", async || {
            let shown = self.tenants.get(&ObjectRef::new(tenant));
            shown.is_some_and(|shown| shown.metadata.generation == declared.metadata.generation)
        })
        .await;
    }

    /// Whether a condition says this of the tenant as it is declared now.
    pub fn says(&self, tenant: &str, kind: &str, status: &str, reason: &str) -> bool {
        let tenant = self.tenants.get(&ObjectRef::new(tenant));
        tenant.is_some_and(|tenant| {
            let found = condition(&tenant, kind);
            found.is_some_and(|found| {
                found.status == status
                    && found.reason == reason
                    && found.observed_generation == tenant.metadata.generation
            })
        })
    }

    /// Does `work` while there is an operator, but for the moments after its deaths.
    pub async fn run(&mut self, work: impl AsyncFnOnce(&Self)) {
        let (_, unheard) = tokio::sync::mpsc::unbounded_channel();
        let mut dying = std::mem::replace(&mut self.dying, unheard);
        tokio::select! {
            () = work(self) => {}
            () = self.keep_alive(&mut dying) => {}
        }
        self.dying = dying;
    }

    async fn keep_alive(&self, dying: &mut UnboundedReceiver<()>) {
        let gate = self.kubernetes.url();
        loop {
            let mut operator = self.platform.start("operator", Some(&gate)).await;
            tokio::select! {
                _ = dying.recv() => operator.process.kill(),
                () = ended(&mut operator) => panic!("the operator ended by itself: {}", operator.said()),
            }
        }
    }
}

async fn ended(operator: &mut albatross_tests::platform::Operator) {
    loop {
        if operator.process.has_ended() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

fn watch<K>(client: &Client) -> (Store<K>, AbortOnDropHandle<()>)
where
    K: Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let writer = reflector::store::Writer::<K>::default();
    let store = writer.as_reader();
    let stream = watcher(Api::<K>::all(client.clone()), watcher::Config::default())
        .default_backoff()
        .reflect(writer);
    let task = tokio::spawn(stream.for_each(|_| std::future::ready(())));
    (store, AbortOnDropHandle::new(task))
}
