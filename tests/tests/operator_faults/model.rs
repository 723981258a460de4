//! One tenant with its key, and what must be true of both whatever went wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use albatross_operator::context::http_route::HttpRoute;
use albatross_operator::context::token;
use albatross_tests::platform::{CLIENTS, Key};
use albatross_tests::wait::until_in;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::networking::v1::Ingress;
use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource, ResourceExt};
use secrecy::SecretString;

use crate::cache::Cache;
use crate::world::World;

/// Faults add up when the operator dies with its neighbours, and it waits longer after each.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// What pods a tenant has, and what leads to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Of the Deployments, which are none where there is no such Deployment.
    pub api: Option<i32>,
    pub worker: Option<i32>,
    /// Fewest and most pods.
    pub autoscaler: Option<(i32, i32)>,
    /// Whose requests they lead to the pods.
    pub ingress: Option<String>,
    pub http_route: Option<String>,
}

impl Model {
    /// As declared by nothing but a name.
    pub const PLAIN: Self = Self {
        api: Some(1),
        worker: None,
        autoscaler: None,
        ingress: None,
        http_route: None,
    };

    /// The same, without pods.
    pub fn asleep(&self) -> Self {
        Self {
            api: Some(0),
            worker: self.worker.map(|_| 0),
            ..self.clone()
        }
    }
}

pub struct Life<'a> {
    pub world: &'a World,
    pub name: &'a str,
    pub cache: Cache,
    /// Of its ApiKey and the Secret of that.
    pub key: String,
    pub model: Model,
}

impl Drop for Life<'_> {
    /// Says of a life that failed what went wrong in it, and what was said of it last.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (call, fault) in self.world.journal.met(self.name) {
                eprintln!("{}: {fault:?} at {call:?}", self.name);
            }
            let tenant = self.world.tenants.get(&ObjectRef::new(self.name));
            let status = tenant.and_then(|tenant| tenant.status.clone());
            eprintln!("{} says {status:#?}", self.name);
        }
    }
}

impl Life<'_> {
    /// Ready as declared, with one key that works and lasts, which is another than `old`; and its credentials are what they were.
    pub async fn is_well(&self, old: Option<&String>) {
        let platform = &self.world.platform;
        until_in(PATIENCE, &format!("{} is Ready", self.name), async || {
            self.is_ready()
        })
        .await;
        let mut last = None;
        self.comes_true("its objects are there", async || {
            let seen = self.seen().await;
            if seen != self.model && last.as_ref() != Some(&seen) {
                eprintln!("{}: {seen:?} and not {:?}", self.name, self.model);
                last = Some(seen.clone());
            }
            seen == self.model
        })
        .await;
        self.comes_true("its pods can check whom they talk to", async || {
            let home = albatross_crds::tenant_namespace(self.name);
            let copies = platform.secret(&home, "albatross-ca").await;
            let certificate = self.world.certificate.trim();
            copies.is_some_and(|copies| {
                let files = ["postgres.crt", "rabbitmq.crt", "redis.crt"];
                let mut found = files.iter().map(|file| copies.get(*file));
                found.all(|it| it.is_some_and(|it| it.trim() == certificate))
            })
        })
        .await;
        self.comes_true("its key is published", async || {
            let secret = platform.secret(CLIENTS, &self.key).await;
            secret.is_some_and(|secret| {
                Some(&secret["keyId"]) != old && self.key_is_ready(&secret["keyId"])
            })
        })
        .await;
        let mut secret = BTreeMap::new();
        let what = "one key works, and a replaced one for a while";
        self.comes_true(what, async || {
            // A rotation may be under way.
            secret = platform.client_secret(&self.key).await;
            let lasting = self.lasting_keys();
            match self.model.api {
                // A runtime that sleeps is told of a replaced key's end when it wakes.
                Some(0) => lasting.contains(&secret["keyId"]),
                _ => lasting == [secret["keyId"].as_str()],
            }
        })
        .await;
        let record = platform.record(self.name).await;
        let pepper = BASE64_STANDARD.decode(&record["pepper"]).unwrap();
        let digest = token::api_key_digest(&pepper, &SecretString::from(secret["key"].clone()));
        let known = &platform.runtimes.of(self.name).keys[&secret["keyId"]];
        assert_eq!(known.digest, digest, "{}", self.name);
        let outside = platform.outside(&record).await;
        assert_eq!(outside, self.cache.outside(), "{}", self.name);
        platform.lets_in(self.name).await;
    }

    /// Whether the tenant is Ready for this reason, as it is declared now.
    fn is_ready(&self) -> bool {
        let well = match self.model.api {
            Some(0) => "Hibernated",
            _ => "Available",
        };
        self.says("Ready", "True", well)
            && self.says("Reconciling", "False", "UpToDate")
            && self.says("Stalled", "False", "UpToDate")
    }

    pub fn says(&self, kind: &str, status: &str, reason: &str) -> bool {
        self.world.says(self.name, kind, status, reason)
    }

    /// An API of the tenant's namespace.
    pub fn of<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let namespace = albatross_crds::tenant_namespace(self.name);
        Api::namespaced(self.world.platform.client.clone(), &namespace)
    }

    /// As it is.
    pub async fn seen(&self) -> Model {
        let deployments = self.of::<Deployment>();
        let replicas = async |name| {
            let deployment = deployments.get_opt(name).await.unwrap();
            deployment.and_then(|it| it.spec?.replicas)
        };
        let autoscaler = self.of::<HorizontalPodAutoscaler>().get_opt("api").await;
        let ingress = self.of::<Ingress>().get_opt("api").await.unwrap();
        let http_route = self.of::<HttpRoute>().get_opt("api").await.unwrap();
        Model {
            api: replicas("api").await,
            worker: replicas("worker").await,
            autoscaler: autoscaler.unwrap().and_then(|it| {
                let spec = it.spec?;
                Some((spec.min_replicas?, spec.max_replicas))
            }),
            ingress: ingress.and_then(|it| it.spec?.rules?.pop()?.host),
            http_route: http_route.and_then(|mut it| it.spec.hostnames.pop()),
        }
    }

    fn key_is_ready(&self, id: &str) -> bool {
        let key = self
            .world
            .api_keys
            .get(&ObjectRef::new(&self.key).within(CLIENTS));
        let Some(status) = key.and_then(|key| key.status.clone()) else {
            return false;
        };
        let mut conditions = status.conditions.iter();
        status.key_id.as_deref() == Some(id)
            && conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
    }

    /// Keys of the runtime that are not about to end.
    fn lasting_keys(&self) -> Vec<String> {
        let keys = self.world.platform.runtimes.of(self.name).keys;
        let last = keys.values().map(|key| key.expires_at).max();
        let lasts = |key: &Key| {
            last.is_some_and(|last| {
                last.duration_since(key.expires_at) < SignedDuration::from_hours(24)
            })
        };
        let lasting = keys
            .into_iter()
            .filter(|(_, key)| !key.revoked && lasts(key));
        lasting.map(|(id, _)| id).collect()
    }

    /// The Secret that holds the key beside the operator.
    pub fn pending(&self) -> String {
        let key = self
            .world
            .api_keys
            .get(&ObjectRef::new(&self.key).within(CLIENTS));
        format!("apikey-{}", key.unwrap().uid().unwrap())
    }

    /// For what is no matter of a watch: asked seldom.
    pub async fn comes_true(&self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        let what = format!("{} of {}", what, self.name);
        until_in(PATIENCE, &what, async || {
            let holds = condition().await;
            if !holds {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            holds
        })
        .await;
    }
}
