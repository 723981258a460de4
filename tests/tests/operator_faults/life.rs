//! All that a tenant goes through, and what must be true of it at every stage.

use std::fmt::Debug;

use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{CLIENTS, Outside};
use albatross_tests::wait::until_in;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cache::Cache;
use crate::model::{Life, Model, PATIENCE};
use crate::world::World;

/// What it calls here it has called before, but the order is what these promise: each of their calls goes wrong too.
pub const IN_ORDER: [&str; 7] = [
    "rotate",
    "meddle",
    "hand-over",
    "route",
    "sleep",
    "wake",
    "renew",
];

/// Created, led through some stages, and deleted for good.
pub async fn live(world: &World, name: &str, cache: Cache, stages: &[&str]) {
    let mut life = Life {
        world,
        name,
        cache,
        key: format!("{name}-acars"),
        model: Model::PLAIN,
    };
    let leads_through = |any: &[&str]| any.iter().any(|stage| stages.contains(stage));
    world.journal.learn(name, name);
    life.create().await;
    if leads_through(&["lose"]) {
        life.lose().await;
    }
    if leads_through(&["rotate"]) {
        life.rotate().await;
    }
    if leads_through(&["change"]) {
        life.change().await;
    }
    if leads_through(&["meddle"]) {
        life.meddle().await;
    }
    if leads_through(&["hand-over"]) {
        life.hand_over().await;
    }
    if leads_through(&["route"]) {
        life.route().await;
    }
    if leads_through(&["sleep", "wake"]) {
        life.sleep_when_landed_and_wake().await;
        life.sleep_now_and_wake_scaled().await;
    }
    if leads_through(&["renew"]) {
        life.renew().await;
    }
    if leads_through(&["retain", "adopt"]) {
        life.retain_and_adopt().await;
    }
    life.delete().await;
    let identities = world.journal.identities(name);
    assert_eq!(identities, 1, "{name} got other credentials");
    world.journal.forget(name);
}

impl Life<'_> {
    pub async fn create(&self) {
        self.world.journal.enter(self.name, "create");
        let platform = &self.world.platform;
        let key = platform.declare_key(&self.key, self.name, json!({})).await;
        self.world.journal.learn(&key.uid().unwrap(), self.name);
        let keep = json!({"deletionPolicy": "Retain", "placement": self.placement()});
        platform.declare(self.name, keep).await;
        if self.cache == Cache::External {
            self.world.give_account(self.name, &self.users()[0]).await;
        }
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
        touch(&own, &self.pending()).await;
        self.is_well(Some(&before["keyId"])).await;
    }

    async fn rotate(&self) {
        self.world.journal.enter(self.name, "rotate");
        let platform = &self.world.platform;
        let before = platform.client_secret(&self.key).await;
        let rotation = json!({"rotation": {"trigger": "now", "overlap": "2h"}});
        platform.change_key(&self.key, rotation).await;
        self.is_well(Some(&before["keyId"])).await;
        let after = platform.client_secret(&self.key).await;
        assert_eq!(after.get("previousKey"), before.get("key"), "{}", self.name);
        let old = &platform.runtimes.of(self.name).keys[&before["keyId"]];
        assert!(!old.revoked, "{}", self.name);
    }

    async fn change(&mut self) {
        self.world.journal.enter(self.name, "change");
        let more = json!({"api": {"replicas": 2}, "worker": {"replicas": 1}});
        (self.model.api, self.model.worker) = (Some(2), Some(1));
        self.becomes(more).await;
        self.model.worker = None;
        self.becomes(json!({"worker": {"replicas": 0}})).await;
    }

    /// Somebody adds to an object, and puts another one in the place of one.
    async fn meddle(&self) {
        self.world.journal.enter(self.name, "meddle");
        let deployments = self.of::<Deployment>();
        let added = json!({"spec": {"template": {"spec": {"hostNetwork": true}}}});
        let (parameters, added) = (PatchParams::default(), Patch::Strategic(&added));
        let patched = deployments.patch("api", &parameters, &added).await;
        patched.unwrap();
        self.comes_true("what was added is gone", async || {
            let spec = deployments.get("api").await.unwrap().spec.unwrap();
            let pods = spec.template.spec.unwrap();
            pods.host_network.is_none()
        })
        .await;

        let services = self.of::<Service>();
        let mut other = services.get("api").await.unwrap();
        other.metadata = ObjectMeta {
            name: other.metadata.name,
            ..ObjectMeta::default()
        };
        let spec = other.spec.get_or_insert_default();
        spec.cluster_ip = Some("None".to_owned());
        spec.cluster_ips = Some(vec!["None".to_owned()]);
        // The operator may be faster.
        self.comes_true("another one is in its place", async || {
            let deleted = services.delete("api", &DeleteParams::default()).await;
            drop(deleted);
            let created = services.create(&PostParams::default(), &other).await;
            created.is_ok()
        })
        .await;
        self.comes_true("its Service has an address", async || {
            let spec = services
                .get_opt("api")
                .await
                .unwrap()
                .and_then(|it| it.spec);
            let address = spec.and_then(|spec| spec.cluster_ip);
            address.is_some_and(|address| address != "None")
        })
        .await;
        self.is_well(None).await;
    }

    /// An autoscaler gets the number of pods, uses it, and has to give it back.
    async fn hand_over(&mut self) {
        self.world.journal.enter(self.name, "hand-over");
        self.model.api = Some(3);
        self.becomes(json!({"api": {"replicas": 3}})).await;
        // Here is none that would bring back what was lost on the way.
        self.model.autoscaler = Some((2, 5));
        self.becomes(json!({"api": {"autoscaling": bounds()}}))
            .await;
        let four = Patch::Merge(json!({"spec": {"replicas": 4}}));
        let as_autoscaler = PatchParams {
            field_manager: Some("kube-controller-manager".to_owned()),
            ..PatchParams::default()
        };
        let deployments = self.of::<Deployment>();
        let patched = deployments.patch_scale("api", &as_autoscaler, &four).await;
        patched.unwrap();
        // Makes the operator write the Deployment.
        let amounts = json!({"cpu": "20m", "memory": "64Mi"});
        self.model.api = Some(4);
        self.becomes(json!({"api": {"resources": {"requests": amounts}}}))
            .await;
        (self.model.api, self.model.autoscaler) = (Some(1), None);
        self.becomes(json!({"api": {"replicas": 1, "autoscaling": null}}))
            .await;
    }

    async fn route(&mut self) {
        self.world.journal.enter(self.name, "route");
        let by = |ingress, gateway| json!({"exposure": {"ingress": ingress, "gateway": gateway}});
        let host = format!("{}.example", self.name);
        self.model.ingress = Some(host.clone());
        self.becomes(by(json!({}), json!(null))).await;
        (self.model.ingress, self.model.http_route) = (None, Some(host));
        let edge = json!({"parentRef": {"name": "edge", "namespace": "gateways"}});
        self.becomes(by(json!(null), edge)).await;
        self.model.http_route = None;
        self.becomes(json!({"exposure": null})).await;
    }

    async fn sleep_when_landed_and_wake(&mut self) {
        self.world.journal.enter(self.name, "sleep");
        let runtimes = &self.world.platform.runtimes;
        runtimes.change(self.name, |runtime| runtime.airborne = 1);
        let when_landed = json!({"hibernate": "WhenLanded", "worker": {"replicas": 1}});
        self.world.change(self.name, when_landed).await;
        let what = format!("{} waits for a flight", self.name);
        until_in(PATIENCE, &what, async || {
            self.says("Reconciling", "True", "WaitingForFlights")
        })
        .await;
        assert_ne!(self.seen().await.api, Some(0), "{} is flown", self.name);
        runtimes.change(self.name, |runtime| runtime.airborne = 0);
        // Landings are asked for every half a minute; this is a reason to look now.
        touch(&self.of::<Service>(), "api").await;
        let awake = Model {
            worker: Some(1),
            ..self.model.clone()
        };
        self.model = awake.asleep();
        self.is_well(None).await;
        self.world.journal.enter(self.name, "wake");
        self.model = awake;
        self.becomes(json!({"hibernate": "Never"})).await;
        self.model.worker = None;
        self.becomes(json!({"worker": {"replicas": 0}})).await;
    }

    /// An autoscaler does nothing while there are no pods: a tenant that wakes starts with its fewest.
    async fn sleep_now_and_wake_scaled(&mut self) {
        self.world.journal.enter(self.name, "sleep");
        let before = self.model.clone();
        let scaled = Model {
            api: Some(2),
            autoscaler: Some((2, 5)),
            ..before.clone()
        };
        self.model = scaled.asleep();
        self.becomes(json!({"hibernate": "Now", "api": {"autoscaling": bounds()}}))
            .await;
        self.world.journal.enter(self.name, "wake");
        self.model = scaled;
        self.becomes(json!({"hibernate": "Never"})).await;
        self.model = before;
        self.becomes(json!({"api": {"autoscaling": null}})).await;
    }

    /// Changes the declaration, and waits until all is as the model says.
    async fn becomes(&self, change: Value) {
        self.world.change(self.name, change).await;
        self.is_well(None).await;
    }

    /// Somebody gives it another account, and takes the first one away once it is well.
    async fn renew(&self) {
        self.world.journal.enter(self.name, "renew");
        let [_, next] = self.users();
        self.world.give_account(self.name, &next).await;
        self.comes_true("its pods have the next account", async || {
            let home = albatross_crds::tenant_namespace(self.name);
            let given = self.world.platform.secret(&home, "albatross-api").await;
            given.is_some_and(|given| given["REDIS_URL"].contains(&next))
        })
        .await;
        self.is_well(None).await;
    }

    /// Those that others make for it, one after the other.
    fn users(&self) -> [String; 2] {
        ["first", "next"].map(|which| format!("{}-{which}", self.name))
    }

    fn placement(&self) -> Value {
        json!({"postgres": "main", "rabbitmq": "main", "redis": self.cache.server()})
    }

    async fn retain_and_adopt(&mut self) {
        let platform = &self.world.platform;
        self.world.journal.enter(self.name, "retain");
        let record = platform.record(self.name).await;
        let key = platform.client_secret(&self.key).await;
        self.delete_tenant().await;
        let outside = platform.outside(&record).await;
        assert_eq!(outside, self.cache.outside(), "{}", self.name);
        self.world.journal.enter(self.name, "adopt");
        let adopt = json!({
            "bootstrap": {"adopt": record["tenantId"]}, "deletionPolicy": "Delete",
            "placement": self.placement(),
        });
        platform.declare(self.name, adopt).await;
        self.model = Model::PLAIN;
        self.is_well(None).await;
        assert_eq!(
            platform.client_secret(&self.key).await,
            key,
            "{}",
            self.name
        );
        assert!(platform.has_its_mark(self.name).await, "{}", self.name);
    }

    pub async fn delete(&self) {
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
        if self.cache == Cache::External {
            let users = self.users();
            self.world.take_accounts(self.name, &users).await;
        }
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
}

/// Of an autoscaler.
pub fn bounds() -> Value {
    json!({"minReplicas": 2, "maxReplicas": 5})
}

/// Makes the operator look.
async fn touch<K>(api: &Api<K>, name: &str)
where
    K: Clone + Debug + DeserializeOwned,
{
    let touch = json!({"metadata": {"annotations": {"tests.example/touched": "yes"}}});
    let touched = api
        .patch(name, &PatchParams::default(), &Patch::Merge(&touch))
        .await;
    touched.unwrap();
}
