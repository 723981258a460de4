//! What the operator knows of the cluster without asking: one watch per kind, in every replica.
//!
//! Secrets are watched in the operator's own namespace only: a wider watch would need to read all Secrets there are.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use albatross_crds::{ApiKey, Tenant, tenant_namespace};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{PredicateConfig, WatchStreamExt, predicates, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio_util::task::TaskTracker;

use crate::context::child::{Child, Kept};
use crate::context::kinds::child_kinds;
use crate::context::live::Live;
use crate::context::object::{ObjectKey, Wanted};
use crate::context::triggers::Triggers;
use crate::names::{self, MANAGED_BY, MANAGED_LABEL, OPERATOR, TENANT_LABEL};

/// A first list comes in pieces of so many objects: what is read at once is held at once.
const PAGE: u32 = 100;
/// A watch ends after so long and goes on where it was, so that one which fell silent keeps nothing back for longer. Each
/// kind costs a request for it, however many tenants there are: twice as often, and an idle operator would be too busy.
pub const WATCH: Duration = Duration::from_secs(120);

/// The reflected state of the cluster.
#[derive(Clone)]
pub struct Caches {
    pub tenants: Store<Tenant>,
    pub api_keys: Store<ApiKey>,
    /// Of the operator's namespace.
    pub secrets: Store<Secret>,
    /// That carry the managed label.
    pub namespaces: Store<Namespace>,
    children: Vec<Child>,
}

/// As much of a Deployment as says how its pods are doing, without their template.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DeploymentState {
    pub metadata: ObjectMeta,
    pub spec: DeclaredPods,
    pub status: DeploymentStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DeclaredPods {
    pub replicas: Option<i32>,
}

impl Caches {
    /// Starts all watches; they run until their tasks are aborted.
    pub fn start(
        client: &Client,
        operator_namespace: &str,
        triggers: &Arc<Triggers>,
        tasks: &TaskTracker,
    ) -> Self {
        let watches = Watches {
            client,
            triggers,
            tasks,
        };
        let api_keys = watches.api_keys();
        Self {
            tenants: watches.tenants(api_keys.clone()),
            secrets: watches.secrets(operator_namespace),
            namespaces: watches.namespaces(api_keys.clone()),
            children: child_kinds()
                .into_iter()
                .map(|kind| watches.children(kind))
                .collect(),
            api_keys,
        }
    }

    /// Waits until everything has been listed once. Acting on less would take what is not known for what is gone.
    pub async fn wait_until_ready(&self) -> anyhow::Result<()> {
        self.tenants.wait_until_ready().await?;
        self.api_keys.wait_until_ready().await?;
        self.secrets.wait_until_ready().await?;
        self.namespaces.wait_until_ready().await?;
        for child in &self.children {
            child.wait_until_ready().await?;
        }
        Ok(())
    }

    pub fn tenant(&self, name: &str) -> Option<Arc<Tenant>> {
        self.tenants.get(&ObjectRef::new(name))
    }

    pub fn namespace(&self, name: &str) -> Option<Arc<Namespace>> {
        self.namespaces.get(&ObjectRef::new(name))
    }

    pub fn secret(&self, operator_namespace: &str, name: &str) -> Option<Arc<Secret>> {
        self.secrets
            .get(&ObjectRef::new(name).within(operator_namespace))
    }

    /// The Secrets that hold keys.
    pub fn key_rings(&self) -> Vec<Arc<Secret>> {
        self.secrets.state_filter(is_key_ring)
    }

    pub fn key_rings_of(&self, tenant: &str) -> Vec<Arc<Secret>> {
        let is_its = |secret: &Secret| tenant_of(secret).as_deref() == Some(tenant);
        self.secrets
            .state_filter(|secret| is_key_ring(secret) && is_its(secret))
    }

    pub fn api_keys_of(&self, tenant: &str) -> Vec<Arc<ApiKey>> {
        self.api_keys
            .state_filter(|key| key.spec.tenant_ref.name == tenant)
    }

    /// The live object of that key, as last seen.
    pub fn live(&self, wanted: &Wanted) -> Option<DynamicObject> {
        self.child(&wanted.key())
    }

    pub fn child(&self, key: &ObjectKey) -> Option<DynamicObject> {
        self.kept(key).map(|kept| kept.object())
    }

    /// The same, as text.
    pub fn kept(&self, key: &ObjectKey) -> Option<Arc<Kept>> {
        let mut children = self.children.iter();
        let child = children.find(|child| child.kind.kind == key.kind)?;
        child.get(key.namespace.as_deref()?, &key.name)
    }

    /// Whether a cache that does not show what was written at `version` has seen its end.
    pub fn has_seen(&self, kind: &str, version: u64) -> bool {
        let mut children = self.children.iter();
        let child = children.find(|child| child.kind.kind == kind);
        child.is_some_and(|child| child.has_seen(version))
    }

    /// As last seen.
    pub fn deployment(&self, key: &ObjectKey) -> Option<DeploymentState> {
        let state = self.kept(key)?.read();
        state
            .inspect_err(|cause| tracing::warn!(?key, %cause, "a Deployment that cannot be read"))
            .ok()
    }

    /// What the airline's pods are made of, as last seen.
    pub fn api(&self, tenant: &str) -> Option<DeploymentState> {
        self.deployment(&ObjectKey {
            kind: Deployment::kind(&()).into_owned(),
            namespace: Some(tenant_namespace(tenant)),
            name: names::API.to_owned(),
        })
    }

    /// Whether a pod serves the airline, as last seen.
    pub fn is_served(&self, tenant: &str) -> bool {
        let available = self
            .api(tenant)
            .and_then(|api| api.status.available_replicas);
        available.is_some_and(|available| available > 0)
    }

    /// All that carries the tenant's label in its namespace.
    pub fn children_of(&self, tenant: &str, namespace: &str) -> Vec<(ApiResource, Arc<Kept>)> {
        let of = |child: &Child| {
            let kind = child.kind.clone();
            let its = child.of(tenant, namespace).into_iter();
            its.map(move |kept| (kind.clone(), kept))
        };
        self.children.iter().flat_map(of).collect()
    }
}

struct Watches<'a> {
    client: &'a Client,
    triggers: &'a Arc<Triggers>,
    tasks: &'a TaskTracker,
}

impl Watches<'_> {
    fn tenants(&self, api_keys: Store<ApiKey>) -> Store<Tenant> {
        let triggers = Arc::clone(self.triggers);
        self.watch(
            Api::all(self.client.clone()),
            watcher::Config::default(),
            lean_tenant,
            predicates::generation,
            move |tenant: &Tenant| {
                let name = tenant.name_any();
                triggers.tenant(&name);
                trigger_keys(&api_keys, &triggers, |key| key.spec.tenant_ref.name == name);
            },
        )
    }

    fn api_keys(&self) -> Store<ApiKey> {
        let triggers = Arc::clone(self.triggers);
        self.watch(
            Api::all(self.client.clone()),
            watcher::Config::default(),
            lean_api_key,
            predicates::generation,
            move |key: &ApiKey| {
                triggers.api_key(&key.namespace().unwrap_or_default(), &key.name_any());
                triggers.tenant(&key.spec.tenant_ref.name);
            },
        )
    }

    fn secrets(&self, operator_namespace: &str) -> Store<Secret> {
        let triggers = Arc::clone(self.triggers);
        self.watch(
            Api::namespaced(self.client.clone(), operator_namespace),
            watcher::Config::default().labels(TENANT_LABEL),
            unmanaged,
            predicates::resource_version,
            move |secret: &Secret| {
                if let Some(tenant) = tenant_of(secret) {
                    triggers.tenant(&tenant);
                }
                let key = secret.annotations().get(names::API_KEY_ANNOTATION);
                if let Some((namespace, name)) = key.and_then(|key| key.split_once('/')) {
                    triggers.api_key(namespace, name);
                }
            },
        )
    }

    fn namespaces(&self, api_keys: Store<ApiKey>) -> Store<Namespace> {
        let triggers = Arc::clone(self.triggers);
        self.watch(
            Api::all(self.client.clone()),
            watcher::Config::default().labels(&format!("{MANAGED_LABEL}=true")),
            unmanaged,
            predicates::resource_version,
            move |namespace: &Namespace| {
                if let Some(tenant) = tenant_of(namespace) {
                    triggers.tenant(&tenant);
                }
                let name = namespace.name_any();
                trigger_keys(&api_keys, &triggers, |key| {
                    key.namespace().as_deref() == Some(name.as_str())
                });
            },
        )
    }

    fn children(&self, kind: ApiResource) -> Child {
        let triggers = Arc::clone(self.triggers);
        let api = Api::<Live>::all_with(self.client.clone(), &kind);
        let config = watcher::Config::default().labels(&format!("{MANAGED_BY}={OPERATOR}"));
        let relisted = Arc::clone(self.triggers);
        let events = watcher(api, bounded(config))
            .default_backoff()
            .inspect_ok(move |event| tell_relisted(event, &relisted));
        let (child, reflection) = Child::new(kind);
        self.tasks.spawn(async move {
            let changed = |tenant: &str| triggers.tenant(tenant);
            reflection.run(events, changed).await;
        });
        child
    }

    fn watch<K>(
        &self,
        api: Api<K>,
        config: watcher::Config,
        lean: fn(&mut K),
        changed: fn(&K) -> Option<u64>,
        on_event: impl Fn(&K) + Send + Sync + 'static,
    ) -> Store<K>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        let writer = reflector::store::Writer::new(());
        let store = writer.as_reader();
        let triggers = Arc::clone(self.triggers);
        let stream = watcher(api, bounded(config))
            .default_backoff()
            .modify(lean)
            .reflect(writer)
            .inspect_ok(move |event| {
                tell_relisted(event, &triggers);
                // Of what goes without having been marked before, the filter below says nothing.
                if matches!(event, watcher::Event::Delete(_)) {
                    triggers.gone();
                }
            })
            .touched_objects()
            .predicate_filter(changed, PredicateConfig::default());
        self.tasks.spawn(async move {
            stream
                .inspect_err(
                    |cause| tracing::warn!(%cause, "watch interrupted, it resumes by itself"),
                )
                .for_each(|object| {
                    if let Ok(object) = object {
                        on_event(&object);
                    }
                    std::future::ready(())
                })
                .await;
        });
        store
    }
}

fn is_key_ring(secret: &Secret) -> bool {
    secret.type_.as_deref() == Some(names::KEY_RING_TYPE)
}

/// Who owns which field is most of it and of no use here.
fn unmanaged<K: Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
}

/// Its labels may make it a canary.
fn lean_tenant(tenant: &mut Tenant) {
    unmanaged(tenant);
    tenant.metadata.annotations = None;
}

/// Whoever may declare an ApiKey may write 256 KiB of annotations to it, and labels besides: nothing of that is kept.
fn lean_api_key(key: &mut ApiKey) {
    unmanaged(key);
    key.metadata.annotations = None;
    key.metadata.labels = None;
    key.metadata.owner_references = None;
}

fn bounded(config: watcher::Config) -> watcher::Config {
    let seconds = u32::try_from(WATCH.as_secs()).unwrap_or(u32::MAX);
    config.page_size(PAGE).timeout(seconds)
}

fn tell_relisted<K>(event: &watcher::Event<K>, triggers: &Triggers) {
    if matches!(event, watcher::Event::InitDone) {
        triggers.relisted();
    }
}

fn tenant_of<K: Resource>(object: &K) -> Option<String> {
    object.labels().get(TENANT_LABEL).cloned()
}

fn trigger_keys(store: &Store<ApiKey>, triggers: &Triggers, affected: impl Fn(&ApiKey) -> bool) {
    for key in store.state_filter(affected) {
        triggers.api_key(&key.namespace().unwrap_or_default(), &key.name_any());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_of_an_api_key_is_kept_that_may_be_large_and_is_of_no_use() {
        let key = |metadata| {
            let spec = json!({
                "tenantRef": {"name": "skyways"}, "scopes": ["track:write"], "ttl": "90d", "secretName": "acars",
            });
            let key = json!({"metadata": metadata, "spec": spec});
            serde_json::from_value::<ApiKey>(key).unwrap()
        };
        let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"});
        let mut declared = key(json!({
            "name": "acars", "namespace": "clients", "uid": "7", "resourceVersion": "1", "generation": 2,
            "finalizers": ["theirs"], "annotations": {"a": "b"}, "labels": {"a": "b"}, "ownerReferences": [owner],
            "managedFields": [{"manager": "kubectl"}],
        }));
        lean_api_key(&mut declared);
        let kept = key(json!({
            "name": "acars", "namespace": "clients", "uid": "7", "resourceVersion": "1", "generation": 2,
            "finalizers": ["theirs"],
        }));
        assert_eq!(json!(declared), json!(kept));
    }
}
