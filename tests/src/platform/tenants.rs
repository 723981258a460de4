//! Tenants and ApiKeys as a platform team declares them, and what becomes of them.

use std::collections::BTreeMap;
use std::time::Duration;

use albatross_crds::tenant::TenantSpec;
use albatross_crds::{ApiKey, Tenant, tenant_namespace};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::chart::NAMESPACE;
use crate::platform::Platform;
use crate::wait::until_in;

/// Some states are reached only after the operator has looked again, which it does less and less often.
const RECOVERY: Duration = Duration::from_secs(120);
/// Where ApiKeys of clients live; every tenant here admits them.
pub const CLIENTS: &str = "airline-clients";

impl Platform {
    /// What is declared of a tenant whose data goes with it; `change` are members of its spec.
    ///
    /// # Panics
    /// When it is no spec.
    pub fn declaration(name: &str, change: &Value) -> TenantSpec {
        let mut spec = json!({
            "displayName": "Skyways",
            "icaoCode": "SKY",
            "host": format!("{name}.example"),
            "admins": [{"email": "ada@skyways.example", "displayName": "Ada"}],
            "deletionPolicy": "Delete",
            "apiKeys": {"allow": [{"namespaceSelector": {"matchLabels": {"clients": "yes"}}}]},
        });
        for (field, value) in change.as_object().expect("members of a spec") {
            spec[field] = value.clone();
        }
        serde_json::from_value(spec).expect("a spec")
    }

    /// Declares such a tenant.
    ///
    /// # Panics
    /// When the API server refuses it.
    pub async fn declare(&self, name: &str, change: Value) -> Tenant {
        let tenant = Tenant::new(name, Self::declaration(name, &change));
        let created = self.tenants().create(&PostParams::default(), &tenant).await;
        created.unwrap_or_else(|error| panic!("tenant {name} is refused: {error}"))
    }

    /// Declares a tenant and waits until it is Ready.
    ///
    /// # Panics
    /// When it does not get there.
    pub async fn airline(&self, name: &str, change: Value) -> Tenant {
        self.declare(name, change).await;
        self.ready(name).await
    }

    /// Waits until a tenant is Ready as it is declared now.
    ///
    /// # Panics
    /// When it does not get there.
    pub async fn ready(&self, name: &str) -> Tenant {
        self.comes_to(name, "Ready", "True", "Available").await
    }

    /// Waits until a condition says this of the tenant as it is declared now.
    ///
    /// # Panics
    /// When it does not get there.
    pub async fn comes_to(&self, name: &str, kind: &str, status: &str, reason: &str) -> Tenant {
        let mut last = None;
        let what = format!("tenant {name} is {kind}={status}, {reason}");
        until_in(RECOVERY, &what, async || {
            let tenant = self.tenant(name).await.expect("the tenant is there");
            let found = condition(&tenant, kind);
            let seen = found.as_ref().is_some_and(|found| {
                found.status == status
                    && found.reason == reason
                    && found.observed_generation == tenant.metadata.generation
            });
            if last != found {
                eprintln!("{name}: {found:?}");
                last = found;
            }
            seen
        })
        .await;
        self.tenant(name).await.expect("the tenant is there")
    }

    /// # Panics
    /// When the API server does not say.
    pub async fn tenant(&self, name: &str) -> Option<Tenant> {
        self.tenants().get_opt(name).await.expect("an answer")
    }

    /// Changes members of a tenant's spec.
    ///
    /// # Panics
    /// When the API server refuses it.
    pub async fn change(&self, name: &str, change: Value) {
        let patch = json!({ "spec": change });
        let changed = self
            .tenants()
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await;
        changed.expect("the change is accepted");
    }

    /// Deletes a tenant and waits until nothing of it is left in the cluster.
    ///
    /// # Panics
    /// When it does not go.
    pub async fn remove(&self, name: &str) {
        let deleted = self.tenants().delete(name, &DeleteParams::default()).await;
        deleted.expect("the tenant can be deleted");
        until_in(RECOVERY, &format!("tenant {name} is gone"), async || {
            self.tenant(name).await.is_none()
        })
        .await;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let left = namespaces.get_opt(&tenant_namespace(name)).await;
        assert!(left.expect("an answer").is_none(), "its namespace is left");
    }

    /// Makes the namespace in which clients keep their keys.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn client_namespace(&self) {
        let labels = json!({"clients": "yes", "albatross.aero/managed": "true"});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CLIENTS, "labels": labels}});
        let api: Api<Namespace> = Api::all(self.client.clone());
        let applied = api
            .patch(
                CLIENTS,
                &PatchParams::apply("tests"),
                &Patch::Apply(namespace),
            )
            .await;
        applied.expect("a namespace");
    }

    /// Declares an ApiKey of the clients' namespace; its Secret has its name. `change` are members of its spec.
    ///
    /// # Panics
    /// When the API server refuses it.
    pub async fn declare_key(&self, name: &str, tenant: &str, change: Value) -> ApiKey {
        let mut spec = json!({
            "tenantRef": {"name": tenant}, "scopes": ["pireps:write"], "ttl": "90d", "secretName": name,
        });
        for (field, value) in change.as_object().expect("members of a spec") {
            spec[field] = value.clone();
        }
        let key = ApiKey::new(name, serde_json::from_value(spec).expect("a spec"));
        let created = self.api_keys().create(&PostParams::default(), &key).await;
        created.unwrap_or_else(|error| panic!("ApiKey {name} is refused: {error}"))
    }

    /// Deletes the pods of a tenant, whoever makes others.
    ///
    /// # Panics
    /// When the API server refuses it.
    pub async fn delete_pods(&self, tenant: &str) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &tenant_namespace(tenant));
        let (how, all) = (DeleteParams::default(), ListParams::default());
        let deleted = pods.delete_collection(&how, &all).await;
        deleted.expect("the pods can be deleted");
    }

    /// Changes members of an ApiKey's spec.
    ///
    /// # Panics
    /// When the API server refuses it.
    pub async fn change_key(&self, name: &str, change: Value) {
        let patch = Patch::Merge(json!({ "spec": change }));
        let api = self.api_keys();
        let changed = api.patch(name, &PatchParams::default(), &patch).await;
        changed.expect("the change is accepted");
    }

    /// Waits until an ApiKey's Ready condition says this.
    ///
    /// # Panics
    /// When it does not get there.
    pub async fn key_comes_to(&self, name: &str, status: &str, reason: &str) -> ApiKey {
        let mut last = None;
        until_in(
            RECOVERY,
            &format!("ApiKey {name} is {status}, {reason}"),
            async || {
                let key = self.api_keys().get(name).await.expect("the key is there");
                let conditions = key.status.iter().flat_map(|status| &status.conditions);
                let found = conditions
                    .filter(|condition| condition.type_ == "Ready")
                    .find(|condition| condition.observed_generation == key.metadata.generation)
                    .map(|condition| (condition.status.clone(), condition.reason.clone()));
                if last != found {
                    eprintln!("{name}: {found:?}");
                    last.clone_from(&found);
                }
                found == Some((status.to_owned(), reason.to_owned()))
            },
        )
        .await;
        self.api_keys().get(name).await.expect("the key is there")
    }

    /// Deletes an ApiKey and waits until it is gone.
    ///
    /// # Panics
    /// When it does not go.
    pub async fn remove_key(&self, name: &str) {
        let deleted = self.api_keys().delete(name, &DeleteParams::default()).await;
        deleted.expect("the key can be deleted");
        until_in(RECOVERY, &format!("ApiKey {name} is gone"), async || {
            let key = self.api_keys().get_opt(name).await;
            key.expect("an answer").is_none()
        })
        .await;
    }

    /// A Secret's data as text; none if there is no such Secret.
    ///
    /// # Panics
    /// When the API server does not say.
    pub async fn secret(&self, namespace: &str, name: &str) -> Option<BTreeMap<String, String>> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let secret = api.get_opt(name).await.expect("an answer")?;
        let text = |bytes: ByteString| String::from_utf8(bytes.0).expect("what we store is text");
        let data = secret.data.unwrap_or_default();
        Some(data.into_iter().map(|(key, it)| (key, text(it))).collect())
    }

    /// Names of the Secrets in which ApiKeys' keys are kept before they are published.
    ///
    /// # Panics
    /// When the API server does not say.
    pub async fn pending_secrets(&self) -> Vec<String> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), NAMESPACE);
        let all = api.list_metadata(&ListParams::default()).await;
        let names = all.expect("an answer").into_iter().map(|it| it.name_any());
        names.filter(|name| name.starts_with("apikey-")).collect()
    }

    /// The authoritative Secret of a tenant.
    ///
    /// # Panics
    /// When there is none.
    pub async fn record(&self, tenant: &str) -> BTreeMap<String, String> {
        let record = self.secret(NAMESPACE, &format!("tenant-{tenant}")).await;
        record.unwrap_or_else(|| panic!("tenant {tenant} has no record"))
    }

    pub fn tenants(&self) -> Api<Tenant> {
        Api::all(self.client.clone())
    }

    /// Of the clients' namespace.
    pub fn api_keys(&self) -> Api<ApiKey> {
        Api::namespaced(self.client.clone(), CLIENTS)
    }
}

/// A condition of a tenant.
pub fn condition(tenant: &Tenant, kind: &str) -> Option<Condition> {
    let status = tenant.status.as_ref()?;
    let mut conditions = status.conditions.iter();
    conditions
        .find(|condition| condition.type_ == kind)
        .cloned()
}
