//! A platform whose operator makes all its calls through gates, and is started again whenever it dies.

use std::sync::Arc;

use albatross_crds::{ApiKey, Tenant};
use albatross_tests::chart::NAMESPACE;
use albatross_tests::faults::{HttpGate, Journal, TcpGate};
use albatross_tests::platform::{Platform, Setting, Ways, condition};
use albatross_tests::servers::{connect_to_redis, servers};
use albatross_tests::tls::{Authority, Sealed};
use albatross_tests::wait::until;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use redis::AsyncCommands;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::task::AbortOnDropHandle;

use crate::cache::Cache;

/// Secret with whoever has signed the servers' certificates.
const AUTHORITY: &str = "authority";

pub struct World {
    pub platform: Platform,
    pub journal: Arc<Journal>,
    /// As they are now; asking the API server again and again would keep it busy.
    pub tenants: Store<Tenant>,
    pub api_keys: Store<ApiKey>,
    /// Of whoever has signed the servers' (PEM).
    pub certificate: String,
    dying: UnboundedReceiver<()>,
    kubernetes: HttpGate,
    _others: (HttpGate, HttpGate, TcpGate, TcpGate),
    _sealed: [Sealed; 3],
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
        // The gates hear what is said before it is sealed.
        let authority = Authority::new();
        let sealed = [
            Sealed::before(&postgres.url(&servers.database_url), &authority).await,
            Sealed::before(&rabbitmq.url(), &authority).await,
            Sealed::before(&redis.url(&servers.redis_url), &authority).await,
        ];
        let ways = Ways {
            postgres: sealed[0].url("postgres"),
            rabbitmq: sealed[1].url("https"),
            redis: sealed[2].url("rediss"),
            authority: Some(AUTHORITY),
            ..Ways::straight(servers)
        };
        setting.ways = vec![("main", ways)];
        let platform = Platform::with(setting).await;
        let certificates = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": AUTHORITY},
            "stringData": {"ca.crt": authority.certificate()},
        });
        put(&platform, AUTHORITY, &certificates).await;
        platform.client_namespace().await;
        platform.install_the_gateway_api().await;
        let (tenants, watched_tenants) = watch(&platform.client);
        let (api_keys, watched_keys) = watch(&platform.client);
        Self {
            platform,
            journal,
            tenants,
            api_keys,
            certificate: authority.certificate(),
            dying,
            kubernetes,
            _others: (runtimes, rabbitmq, postgres, redis),
            _sealed: sealed,
            _watches: [watched_tenants, watched_keys],
        }
    }

    /// Beside the Redis whose users the operator makes it finds one whose users others make, and one that has none.
    pub fn add_caches(&self) {
        self.platform.configure(|configuration| {
            let servers = configuration["servers"]["redis"].as_array_mut().unwrap();
            for cache in [Cache::External, Cache::Shared] {
                let mut server = servers[0].clone();
                server["name"] = json!(cache.server());
                server["acl"] = json!(cache.acl());
                if cache == Cache::External {
                    server["adminSecret"] = Value::Null;
                }
                servers.push(server);
            }
        });
    }

    /// What whoever makes the users of a Redis does for a tenant: a user, and a Secret with its account.
    pub async fn give_account(&self, tenant: &str, user: &str) {
        let redis = connect_to_redis(&self.platform.servers.redis_url).await;
        let mut connection = redis.unwrap();
        let rules = ["reset", "on", ">password", "-@all", "+ping"];
        let mut set = redis::cmd("ACL");
        let set = set.arg("SETUSER").arg(user).arg(&rules);
        set.exec_async(&mut connection).await.unwrap();
        let secret = account_secret(tenant);
        let account = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": secret, "labels": {"albatross.aero/tenant": tenant}},
            "stringData": {"username": user, "password": "password"},
        });
        put(&self.platform, &secret, &account).await;
    }

    /// And takes both away again, with every user that it ever had.
    pub async fn take_accounts(&self, tenant: &str, users: &[String]) {
        let redis = connect_to_redis(&self.platform.servers.redis_url).await;
        let mut connection = redis.unwrap();
        let _: usize = connection.acl_deluser(users).await.unwrap();
        let secrets: Api<Secret> = Api::namespaced(self.platform.client.clone(), NAMESPACE);
        let name = account_secret(tenant);
        let deleted = secrets.delete(&name, &DeleteParams::default()).await;
        deleted.unwrap();
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

    /// The way to the API server on which calls go wrong.
    pub fn gate(&self) -> String {
        self.kubernetes.url()
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
        loop {
            let gate = self.gate();
            let mut operator = self.platform.start("operator", Some(&gate)).await;
            tokio::select! {
                _ = dying.recv() => operator.process.kill(),
                () = ended(&mut operator) => {
                    let ended = operator.process.ended().await;
                    let said = ended.stdout + &ended.stderr;
                    // On a busy machine, as on a busy node: whoever does not renew its Lease in time ends and begins anew.
                    let is_late = said.contains("the Lease was not renewed in time");
                    assert!(is_late, "the operator ended by itself: {said}");
                }
            }
        }
    }
}

fn account_secret(tenant: &str) -> String {
    format!("redis-account-{tenant}")
}

/// A Secret of the platform team's, beside the operator.
async fn put(platform: &Platform, name: &str, secret: &Value) {
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), NAMESPACE);
    let parameters = PatchParams::apply("platform-team");
    let applied = secrets
        .patch(name, &parameters, &Patch::Apply(secret))
        .await;
    applied.unwrap();
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
