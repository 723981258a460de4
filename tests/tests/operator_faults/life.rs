//! All that a tenant goes through, and what must be true of it at every stage.

use std::time::Duration;

use albatross_operator::context::token;
use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{CLIENTS, Key, Outside, condition};
use albatross_tests::wait::until_in;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use secrecy::SecretString;
use serde_json::json;

use crate::world::World;

/// Faults add up when the operator dies with its neighbours, and it waits longer after each.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// What may come between creation and end, in this order.
pub const STAGES: [&str; 5] = ["lose", ROTATE, "change", "retain", "adopt"];
/// What it calls here it has called before, but the order is what a rotation promises: each of its calls goes wrong too.
pub const ROTATE: &str = "rotate";

/// Created, led through some stages, and deleted for good.
pub async fn live(world: &World, name: &str, stages: &[&str]) {
    let life = Life {
        world,
        name,
        key: format!("{name}-acars"),
    };
    world.journal.learn(name, name);
    life.create().await;
    if stages.contains(&"lose") {
        life.lose().await;
    }
    if stages.contains(&ROTATE) {
        life.rotate().await;
    }
    if stages.contains(&"change") {
        life.change().await;
    }
    if stages.contains(&"retain") || stages.contains(&"adopt") {
        life.retain_and_adopt().await;
    }
    life.drop().await;
    let identities = world.journal.identities(name);
    assert_eq!(identities, 1, "{name} got other credentials");
    world.journal.forget(name);
}

struct Life<'a> {
    world: &'a World,
    name: &'a str,
    /// Of its ApiKey and the Secret of that.
    key: String,
}

impl Life<'_> {
    async fn create(&self) {
        self.world.journal.enter(self.name, "create");
        let platform = &self.world.platform;
        let key = platform.declare_key(&self.key, self.name, json!({})).await;
        self.world.journal.learn(&key.uid().unwrap(), self.name);
        let keep = json!({"deletionPolicy": "Retain"});
        platform.declare(self.name, keep).await;
        self.is_well(None).await;
        platform.leave_a_mark(self.name).await;
    }

    /// Somebody deletes the Secret.
    async fn lose(&self) {
        self.world.journal.enter(self.name, "lose");
        let platform = &self.world.platform;
        let before = platform.client_secret(&self.key).await;
        let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), CLIENTS);
        let deleted = secrets.delete(&self.key, &DeleteParams::default()).await;
        deleted.unwrap();
        // The operator looks at the Secrets of others every few minutes; this is a reason to look now.
        let own: Api<Secret> = Api::namespaced(platform.client.clone(), NAMESPACE);
        let touch = json!({"metadata": {"annotations": {"tests.example/touched": "yes"}}});
        let touched = own
            .patch(
                &self.pending(),
                &PatchParams::default(),
                &Patch::Merge(&touch),
            )
            .await;
        touched.unwrap();
        self.is_well(Some(&before["keyId"])).await;
    }

    async fn rotate(&self) {
        self.world.journal.enter(self.name, ROTATE);
        let platform = &self.world.platform;
        let before = platform.client_secret(&self.key).await;
        let rotation = json!({"spec": {"rotation": {"trigger": "now", "overlap": "2h"}}});
        let (parameters, rotation) = (PatchParams::default(), Patch::Merge(&rotation));
        let keys = platform.api_keys();
        let changed = keys.patch(&self.key, &parameters, &rotation).await;
        changed.unwrap();
        self.is_well(Some(&before["keyId"])).await;
        let after = platform.client_secret(&self.key).await;
        assert_eq!(after.get("previousKey"), before.get("key"), "{}", self.name);
        let old = &platform.runtimes.of(self.name).keys[&before["keyId"]];
        assert!(!old.revoked, "{}", self.name);
    }

    async fn change(&self) {
        self.world.journal.enter(self.name, "change");
        let change = json!({"api": {"replicas": 2}, "worker": {"replicas": 1}});
        self.world.platform.change(self.name, change).await;
        self.is_well(None).await;
        let fewer = json!({"worker": {"replicas": 0}});
        self.world.platform.change(self.name, fewer).await;
        self.is_well(None).await;
    }

    async fn retain_and_adopt(&self) {
        let platform = &self.world.platform;
        self.world.journal.enter(self.name, "retain");
        let record = platform.record(self.name).await;
        let key = platform.client_secret(&self.key).await;
        self.delete_tenant().await;
        assert_eq!(
            platform.outside(&record).await,
            Outside::ALL,
            "{}",
            self.name
        );
        self.world.journal.enter(self.name, "adopt");
        let adopt = json!({"bootstrap": {"adopt": record["tenantId"]}, "deletionPolicy": "Delete"});
        platform.declare(self.name, adopt).await;
        self.is_well(None).await;
        assert_eq!(
            platform.client_secret(&self.key).await,
            key,
            "{}",
            self.name
        );
        assert!(platform.has_its_mark(self.name).await, "{}", self.name);
    }

    async fn drop(&self) {
        self.world.journal.enter(self.name, "drop");
        let platform = &self.world.platform;
        let (record, pending) = (platform.record(self.name).await, self.pending());
        let delete = json!({"deletionPolicy": "Delete"});
        platform.change(self.name, delete).await;
        let deleted = platform
            .api_keys()
            .delete(&self.key, &DeleteParams::default())
            .await;
        deleted.unwrap();
        let key = ObjectRef::new(&self.key).within(CLIENTS);
        until_in(PATIENCE, &format!("{} is gone", self.key), async || {
            self.world.api_keys.get(&key).is_none()
        })
        .await;
        self.comes_true("no key works", async || {
            platform.runtimes.of(self.name).live_keys().is_empty()
        })
        .await;
        self.delete_tenant().await;
        assert_eq!(
            platform.outside(&record).await,
            Outside::NOTHING,
            "{}",
            self.name
        );
        let links = format!("platform-links-{}", self.name);
        for secret in [&format!("tenant-{}", self.name), &pending, &links] {
            let left = platform.secret(NAMESPACE, secret).await;
            assert!(left.is_none(), "{secret} is left");
        }
        assert!(platform.secret(CLIENTS, &self.key).await.is_none());
    }

    async fn delete_tenant(&self) {
        let tenants = self.world.platform.tenants();
        tenants
            .delete(self.name, &DeleteParams::default())
            .await
            .unwrap();
        until_in(PATIENCE, &format!("{} is gone", self.name), async || {
            self.world.tenants.get(&ObjectRef::new(self.name)).is_none()
        })
        .await;
    }

    /// Ready as declared, with one key that works and lasts, which is another than `old`; and its credentials are what they were.
    async fn is_well(&self, old: Option<&String>) {
        let platform = &self.world.platform;
        until_in(PATIENCE, &format!("{} is Ready", self.name), async || {
            self.is_ready()
        })
        .await;
        self.comes_true("its key is published", async || {
            let secret = platform.secret(CLIENTS, &self.key).await;
            secret.is_some_and(|secret| {
                Some(&secret["keyId"]) != old && self.key_is_ready(&secret["keyId"])
            })
        })
        .await;
        let secret = platform.client_secret(&self.key).await;
        self.comes_true(
            "one key works, and a replaced one for a while",
            async || self.lasting_keys() == [secret["keyId"].as_str()],
        )
        .await;
        let record = platform.record(self.name).await;
        let pepper = BASE64_STANDARD.decode(&record["pepper"]).unwrap();
        let digest = token::api_key_digest(&pepper, &SecretString::from(secret["key"].clone()));
        let known = &platform.runtimes.of(self.name).keys[&secret["keyId"]];
        assert_eq!(known.digest, digest, "{}", self.name);
        assert_eq!(
            platform.outside(&record).await,
            Outside::ALL,
            "{}",
            self.name
        );
        platform.lets_in(self.name).await;
    }

    fn is_ready(&self) -> bool {
        let tenant = self.world.tenants.get(&ObjectRef::new(self.name));
        tenant.is_some_and(|tenant| {
            let ready = condition(&tenant, "Ready");
            ready.is_some_and(|ready| {
                ready.status == "True" && ready.observed_generation == tenant.metadata.generation
            })
        })
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
    fn pending(&self) -> String {
        let key = self
            .world
            .api_keys
            .get(&ObjectRef::new(&self.key).within(CLIENTS));
        format!("apikey-{}", key.unwrap().uid().unwrap())
    }

    /// For what is no matter of a watch: asked seldom.
    async fn comes_true(&self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
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
