//! Every state of a tenant and of a key on their way through every change, as GitOps tools see it: never done too early,
//! never under way for ever.

use std::fmt::Debug;
use std::time::Duration;

use albatross_crds::tenant::Hibernate;
use albatross_crds::{ApiKey, Tenant, tenant_namespace};
use albatross_tests::chart::NAMESPACE;
use albatross_tests::faults::HttpGate;
use albatross_tests::gitops::judge;
use albatross_tests::platform::{CLIENTS, Operator, Platform, Runtime, Setting, Ways};
use albatross_tests::servers::servers;
use albatross_tests::wait::until;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::api::{
    DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// What kstatus and Argo CD's health check say.
type Seen = (&'static str, &'static str);

const UNDER_WAY: Seen = ("InProgress", "Progressing");
const DONE: Seen = ("Current", "Healthy");
/// On purpose.
const AT_REST: Seen = ("Current", "Suspended");
const REFUSED: Seen = ("Failed", "Degraded");
/// On purpose, and not as it is declared.
const HELD: Seen = ("Failed", "Suspended");
const GOING: Seen = ("Terminating", "Progressing");

/// A generation, how it was seen, and for a tenant that was Current the version that its pods ran.
type Turn = (i64, String, String, String);

fn turn(generation: i64, (kstatus, argocd): Seen, version: &str) -> Turn {
    let version = if kstatus == "Current" { version } else { "" };
    let text = str::to_owned;
    (generation, text(kstatus), text(argocd), text(version))
}

/// What the operator did is answered before it is seen.
const LATE: Duration = Duration::from_millis(300);

/// An operator sees here everything late.
struct Stage {
    platform: Platform,
    way: HttpGate,
}

impl Stage {
    /// With the server `small` beside the usual one, on which there is room for two pods.
    async fn new() -> Self {
        let mut setting = Setting::straight().await;
        let small = Ways {
            budget: 36,
            ..Ways::straight(servers().await)
        };
        setting.ways.push(("small", small));
        let platform = Platform::with(setting).await;
        platform.client_namespace().await;
        let server = *platform.api_server;
        let way = HttpGate::with_late_watches(&server.url(), &server.certificate(), LATE).await;
        let stage = Self { platform, way };
        stage.image("0.1.0");
        stage
    }

    /// Of the operator that is started next.
    fn image(&self, version: &str) {
        let image = format!("a.example/albatross:{version}");
        self.platform
            .configure(|it| it["defaults"]["image"] = json!(image));
    }

    /// Returns once it leads.
    async fn operator(&self) -> Operator {
        let way = self.way.url();
        let operator = self.platform.start("operator", Some(&way)).await;
        until("the operator leads", async || {
            self.platform.leader().await == operator.identity
        })
        .await;
        operator
    }

    /// Changes a tenant, and returns once its Ready condition says this of it as it is declared now.
    async fn walk(&self, name: &str, change: Value, status: &str, reason: &str) {
        self.platform.change(name, change).await;
        self.platform.comes_to(name, "Ready", status, reason).await;
    }
}

/// A tenant and its Deployment, from now on until they are gone.
struct Recording {
    tenants: JoinHandle<Vec<Tenant>>,
    pods: JoinHandle<Vec<Deployment>>,
}

impl Recording {
    async fn start(platform: &Platform, name: &str) -> Self {
        let home = tenant_namespace(name);
        Self {
            tenants: recorded(platform.tenants(), name).await,
            pods: recorded(Api::namespaced(platform.client.clone(), &home), "api").await,
        }
    }

    /// Wherever it was Current, its pods were as declared.
    async fn turns(self) -> Vec<Turn> {
        let (tenants, pods) = (self.tenants.await.unwrap(), self.pods.await.unwrap());
        let mut turns = seen(&tenants);
        for (tenant, turn) in tenants.iter().zip(&mut turns) {
            if turn.1 == "Current" {
                let before = |it: &&Deployment| version(*it) < version(tenant);
                let api = pods.iter().rfind(before).unwrap();
                assert!(is_as_declared(api, tenant), "{turn:?}: {api:?}");
                turn.3 = tag(api);
            }
        }
        turns.dedup();
        turns
    }
}

/// The states of an object from now on, until it is gone.
async fn recorded<K>(api: Api<K>, name: &str) -> JoinHandle<Vec<K>>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let all = api.list_metadata(&ListParams::default()).await.unwrap();
    let only = WatchParams::default().fields(&format!("metadata.name={name}"));
    let mut from = all.metadata.resource_version.unwrap();
    tokio::spawn(async move {
        let mut states: Vec<K> = Vec::new();
        loop {
            // It ends after some minutes, and is taken up where it was.
            let mut watch = api.watch(&only, &from).await.unwrap().boxed();
            while let Some(event) = watch.try_next().await.unwrap() {
                match event {
                    WatchEvent::Added(state) | WatchEvent::Modified(state) => {
                        from = state.meta().resource_version.clone().unwrap();
                        states.push(state);
                    }
                    WatchEvent::Deleted(_) => return states,
                    WatchEvent::Bookmark(bookmark) => from = bookmark.metadata.resource_version,
                    WatchEvent::Error(error) => panic!("{error:?}"),
                }
            }
        }
    })
}

/// How each state was seen.
fn seen<K: Resource + Serialize>(states: &[K]) -> Vec<Turn> {
    let objects: Vec<Value> = states.iter().map(|state| json!(state)).collect();
    let verdicts = judge(&objects).into_iter();
    let turns = states.iter().zip(verdicts).map(|(state, verdict)| {
        let generation = state.meta().generation.unwrap();
        (generation, verdict.kstatus, verdict.argocd, String::new())
    });
    turns.collect()
}

/// Counts the changes of all objects together.
fn version(object: &impl ResourceExt) -> u64 {
    object.resource_version().unwrap().parse().unwrap()
}

/// Version of what its pods run.
fn tag(deployment: &Deployment) -> String {
    let pod = deployment.spec.clone().unwrap().template.spec.unwrap();
    let image = pod.containers[0].image.clone().unwrap();
    image.rsplit(':').next().unwrap().to_owned()
}

fn is_as_declared(deployment: &Deployment, tenant: &Tenant) -> bool {
    let (spec, status) = (deployment.spec.clone().unwrap(), deployment.status.clone());
    let status = status.unwrap_or_default();
    let replicas = match tenant.spec.hibernate {
        Hibernate::Never => tenant.spec.api.replicas,
        Hibernate::Now | Hibernate::WhenLanded => 0,
    };
    let given = &spec.template.spec.unwrap().containers[0].resources;
    let requests = given.as_ref().and_then(|given| given.requests.as_ref());
    let cpu = requests.map(|requests| requests["cpu"].0.clone());
    let wanted = if tenant.spec.api.resources.is_some() {
        "30m"
    } else {
        "20m"
    };
    let counts = [
        spec.replicas,
        status.replicas,
        status.updated_replicas,
        status.available_replicas,
    ];
    status.observed_generation == deployment.metadata.generation
        && counts.map(Option::unwrap_or_default) == [replicas; 4]
        && cpu.as_deref() == Some(wanted)
}

#[tokio::test]
async fn whatever_is_declared_of_a_tenant_it_is_current_once_it_is_so_and_failed_where_it_cannot_be()
 {
    const NAME: &str = "walked";
    let stage = Stage::new().await;
    let recording = Recording::start(&stage.platform, NAME).await;
    let operator = stage.operator().await;
    let small = json!({"placement": {"postgres": "small"}});
    stage.platform.airline(NAME, small).await;
    let mut expected = vec![turn(1, UNDER_WAY, ""), turn(1, DONE, "0.1.0")];
    let bigger = json!({"requests": {"cpu": "30m", "memory": "64Mi"}});
    let ready = ("True", "Available");
    let steps = [
        (json!({"displayName": "Walked Airways"}), ready, DONE),
        (json!({"api": {"resources": bigger}}), ready, DONE),
        (json!({"api": {"replicas": 2}}), ready, DONE),
        (json!({"suspend": true}), ready, AT_REST),
        (
            json!({"suspend": false, "api": {"replicas": 1}}),
            ready,
            DONE,
        ),
        (json!({"hibernate": "Now"}), ("True", "Hibernated"), AT_REST),
        (json!({"hibernate": "Never"}), ready, DONE),
        (
            json!({"worker": {"replicas": 5}}),
            ("False", "ServerFull"),
            REFUSED,
        ),
        (json!({"worker": null}), ready, DONE),
        (
            json!({"quota": {"pods": 1}}),
            ("False", "InvalidSpec"),
            REFUSED,
        ),
        (json!({"quota": null}), ready, DONE),
        (json!({"mode": "Observe"}), ready, AT_REST),
        (
            json!({"api": {"replicas": 2}}),
            ("False", "Observing"),
            HELD,
        ),
        (json!({"mode": "Apply"}), ready, DONE),
        (json!({"version": "0.2.0"}), ready, DONE),
        (
            json!({"version": "0.1.0"}),
            ("False", "DowngradeRefused"),
            REFUSED,
        ),
        (json!({"version": "0.3.0"}), ready, DONE),
    ];
    for (step, (change, (status, reason), seen)) in steps.into_iter().enumerate() {
        let generation = step as i64 + 2;
        let version = change["version"].as_str().unwrap_or("0.1.0");
        expected.extend([
            turn(generation, UNDER_WAY, ""),
            turn(generation, seen, version),
        ]);
        stage.walk(NAME, change, status, reason).await;
    }
    stage.platform.remove(NAME).await;
    expected.push(turn(expected.last().unwrap().0 + 1, GOING, ""));
    assert_eq!(recording.turns().await, expected);
    operator.stop().await;
}

#[tokio::test]
async fn a_tenant_that_outlives_operators_and_itself_is_never_seen_otherwise_than_it_is() {
    const NAME: &str = "lasting";
    let stage = Stage::new().await;
    let platform = &stage.platform;
    let recording = Recording::start(platform, NAME).await;
    let operator = stage.operator().await;
    let retained = json!({"deletionPolicy": "Retain"});
    let tenant = platform.airline(NAME, retained).await;
    let id = tenant.status.unwrap().tenant_id.unwrap();

    // An operator that finds all as it was says nothing; what was declared without one is under way until there is one.
    operator.stop().await;
    let operator = stage.operator().await;
    until("the operator has looked", async || {
        operator.reconciliations().await >= 1.0
    })
    .await;
    operator.stop().await;
    let name = json!({"displayName": "Lasting Airways"});
    platform.change(NAME, name).await;
    let operator = stage.operator().await;
    platform.ready(NAME).await;

    platform.runtimes.change(NAME, |it| it.airborne = 1);
    let land = json!({"hibernate": "WhenLanded"});
    stage.walk(NAME, land, "Unknown", "WaitingForFlights").await;
    platform.runtimes.change(NAME, |it| it.airborne = 0);
    look_again(platform, NAME).await;
    platform.comes_to(NAME, "Ready", "True", "Hibernated").await;
    let wake = json!({"hibernate": "Never"});
    stage.walk(NAME, wake, "True", "Available").await;

    operator.stop().await;
    stage.image("0.2.0");
    let operator = stage.operator().await;
    until("it has been moved to the new image", async || {
        let record = platform.record(NAME).await;
        record["migratedImage"].ends_with(":0.2.0") && !record.contains_key("upgradeImage")
    })
    .await;
    platform.ready(NAME).await;
    platform.remove(NAME).await;
    let expected = [
        turn(1, UNDER_WAY, ""),
        turn(1, DONE, "0.1.0"),
        turn(2, UNDER_WAY, ""),
        turn(2, DONE, "0.1.0"),
        turn(3, UNDER_WAY, ""),
        turn(3, AT_REST, "0.1.0"),
        turn(4, UNDER_WAY, ""),
        turn(4, DONE, "0.1.0"),
        turn(4, UNDER_WAY, ""),
        turn(4, DONE, "0.2.0"),
        turn(5, GOING, ""),
    ];
    assert_eq!(recording.turns().await, expected);

    let recording = recorded(platform.tenants(), NAME).await;
    platform.declare(NAME, json!({})).await;
    platform
        .comes_to(NAME, "Stalled", "True", "ResourceConflict")
        .await;
    platform.remove(NAME).await;
    let mut turns = seen(&recording.await.unwrap());
    turns.dedup();
    assert_eq!(turns, [turn(1, UNDER_WAY, ""), turn(1, REFUSED, "")]);

    let recording = Recording::start(platform, NAME).await;
    let adopted = json!({"bootstrap": {"adopt": id}});
    platform.airline(NAME, adopted).await;
    platform.remove(NAME).await;
    let expected = [
        turn(1, UNDER_WAY, ""),
        turn(1, DONE, "0.2.0"),
        turn(2, GOING, ""),
    ];
    assert_eq!(recording.turns().await, expected);
    operator.stop().await;
}

/// Landings are asked for every half a minute; this is a reason to look now.
async fn look_again(platform: &Platform, tenant: &str) {
    let touch = json!({"metadata": {"annotations": {"tests.example/touched": "yes"}}});
    let services: Api<Service> =
        Api::namespaced(platform.client.clone(), &tenant_namespace(tenant));
    let (parameters, touch) = (PatchParams::default(), Patch::Merge(&touch));
    services.patch("api", &parameters, &touch).await.unwrap();
}

async fn change_key(platform: &Platform, name: &str, spec: Value) {
    let patch = Patch::Merge(json!({ "spec": spec }));
    let (keys, parameters) = (platform.api_keys(), PatchParams::default());
    keys.patch(name, &parameters, &patch).await.unwrap();
}

/// How it was seen in turn. Wherever it was Current, the key in the Secret was as new as was asked for.
async fn turns_of_key(recording: JoinHandle<Vec<ApiKey>>) -> Vec<Turn> {
    let keys = recording.await.unwrap();
    let mut turns = seen(&keys);
    for (key, turn) in keys.iter().zip(&turns) {
        let asked = key
            .spec
            .rotation
            .as_ref()
            .and_then(|it| it.trigger.as_ref());
        let status = key.status.as_ref().unwrap();
        let is_done = asked.is_none() || asked == status.rotation_trigger.as_ref();
        assert!(turn.1 != "Current" || is_done, "{turn:?}: {status:?}");
    }
    turns.dedup();
    turns
}

#[tokio::test]
async fn a_key_is_current_while_the_one_that_is_asked_for_works() {
    const TENANT: &str = "walked-by-keys";
    let stage = Stage::new().await;
    let platform = &stage.platform;
    let operator = stage.operator().await;
    platform.airline(TENANT, json!({})).await;
    let recording = recorded(platform.api_keys(), "issued").await;
    let rotation = json!({"rotation": {"trigger": "a", "overlap": "2h"}});
    platform.declare_key("issued", TENANT, rotation).await;
    platform.key_comes_to("issued", "True", "Available").await;

    let takes_keys = |taken: bool| {
        let change = |it: &mut Runtime| it.refuses_keys = !taken;
        platform.runtimes.change(TENANT, change);
    };
    takes_keys(false);
    change_key(platform, "issued", json!({"rotation": {"trigger": "b"}})).await;
    until("the refusal is told", async || {
        let key = platform.api_keys().get("issued").await.unwrap();
        let mut told = key.status.unwrap().conditions.into_iter();
        told.any(|it| it.message.ends_with("waits: no more keys"))
    })
    .await;
    takes_keys(true);
    let name = json!({"displayName": "Walked Airways"});
    platform.change(TENANT, name).await;
    until("it is rotated", async || {
        let key = platform.api_keys().get("issued").await.unwrap();
        key.status.unwrap().rotation_trigger.as_deref() == Some("b")
    })
    .await;
    for (scopes, status, reason) in [
        ("users", "False", "ScopesNotAllowed"),
        ("pireps:write", "True", "Available"),
    ] {
        change_key(platform, "issued", json!({"scopes": [scopes]})).await;
        platform.key_comes_to("issued", status, reason).await;
    }
    change_key(platform, "issued", json!({"revoked": true})).await;
    platform.key_comes_to("issued", "False", "Revoked").await;
    platform.remove_key("issued").await;
    let expected = [
        (1, UNDER_WAY),
        (1, DONE),
        (2, UNDER_WAY),
        (2, REFUSED),
        (2, DONE),
        (3, UNDER_WAY),
        (3, REFUSED),
        (4, UNDER_WAY),
        (4, DONE),
        (5, UNDER_WAY),
        (5, HELD),
        (6, GOING),
    ];
    let expected = expected.map(|(generation, seen)| turn(generation, seen, ""));
    assert_eq!(turns_of_key(recording).await, expected);
    platform.remove(TENANT).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_first_key_is_handed_out_while_its_tenant_sleeps_and_has_failed_while_that_is_left_alone()
{
    const TENANT: &str = "walked-asleep";
    let stage = Stage::new().await;
    let platform = &stage.platform;
    let operator = stage.operator().await;
    // Before it is anything: nobody can say at which address a key would work.
    platform.declare(TENANT, json!({"suspend": true})).await;
    let cases = [
        ("suspend", json!(true), json!(false), "is suspended"),
        ("mode", json!("Observe"), json!("Apply"), "is only observed"),
    ];
    for (field, left_alone, goes_on, why) in cases {
        platform.change(TENANT, json!({ field: left_alone })).await;
        // What is declared next would else be known before.
        let told = if field == "mode" {
            "Observing"
        } else {
            "Suspended"
        };
        platform.comes_to(TENANT, "Suspended", "True", told).await;
        let recording = recorded(platform.api_keys(), field).await;
        platform.declare_key(field, TENANT, json!({})).await;
        let held = platform
            .key_comes_to(field, "False", "WaitingForTenant")
            .await;
        let message = &held.status.unwrap().conditions[0].message;
        assert!(
            message.ends_with(&format!("tenant {TENANT} {why}")),
            "{message}"
        );
        assert_eq!(platform.secret(CLIENTS, field).await, None);
        platform.change(TENANT, json!({ field: goes_on })).await;
        platform.ready(TENANT).await;
        platform.key_comes_to(field, "True", "Available").await;
        platform.remove_key(field).await;
        let turns = turns_of_key(recording).await;
        let settled: Vec<_> = turns.iter().filter(|it| it.1 != UNDER_WAY.0).collect();
        let expected = [(1, REFUSED), (1, DONE), (2, GOING)];
        let expected = expected.map(|(generation, seen)| turn(generation, seen, ""));
        assert_eq!(settled, expected.each_ref());
    }

    let sleep = json!({"hibernate": "Now"});
    stage.walk(TENANT, sleep, "True", "Hibernated").await;
    let recording = recorded(platform.api_keys(), "asleep").await;
    platform.declare_key("asleep", TENANT, json!({})).await;
    platform.key_comes_to("asleep", "True", "Available").await;
    let secret = platform.client_secret("asleep").await;
    let id = secret["keyId"].as_str();
    assert!(!platform.runtimes.of(TENANT).live_keys().contains(&id));
    let wake = json!({"hibernate": "Never"});
    stage.walk(TENANT, wake, "True", "Available").await;
    assert_eq!(platform.runtimes.of(TENANT).live_keys(), [id]);
    platform.key_comes_to("asleep", "True", "Available").await;
    assert_eq!(platform.client_secret("asleep").await, secret);
    platform.remove_key("asleep").await;
    let expected = [(1, UNDER_WAY), (1, DONE), (2, GOING)];
    let expected = expected.map(|(generation, seen)| turn(generation, seen, ""));
    assert_eq!(turns_of_key(recording).await, expected);
    platform.remove(TENANT).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_key_that_ends_or_has_no_place_fails_and_is_current_once_there_is_one() {
    const TENANT: &str = "walked-to-the-end";
    let stage = Stage::new().await;
    let platform = &stage.platform;
    let operator = stage.operator().await;
    platform.airline(TENANT, json!({})).await;
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), CLIENTS);
    let foreign = json!({"metadata": {"name": "taken"}, "stringData": {"key": "precious"}});
    let foreign: Secret = serde_json::from_value(foreign).unwrap();
    let made = secrets.create(&PostParams::default(), &foreign).await;
    made.unwrap();
    let recording = recorded(platform.api_keys(), "taken").await;
    platform.declare_key("taken", TENANT, json!({})).await;
    platform
        .key_comes_to("taken", "False", "SecretNameConflict")
        .await;
    let removed = secrets.delete("taken", &DeleteParams::default()).await;
    removed.unwrap();
    platform.key_comes_to("taken", "True", "Available").await;
    age(platform, "taken").await;
    platform.key_comes_to("taken", "False", "Expired").await;
    platform.remove_key("taken").await;
    let expected = [
        (1, UNDER_WAY),
        (1, REFUSED),
        (1, UNDER_WAY),
        (1, DONE),
        (1, REFUSED),
        (2, GOING),
    ];
    let expected = expected.map(|(generation, seen)| turn(generation, seen, ""));
    assert_eq!(turns_of_key(recording).await, expected);
    platform.remove(TENANT).await;
    operator.stop().await;
}

/// Makes a key as old as it is to become.
async fn age(platform: &Platform, name: &str) {
    let key = platform.api_keys().get(name).await.unwrap();
    let stored = format!("apikey-{}", key.uid().unwrap());
    let issued = key.status.unwrap().issued_at.unwrap();
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), NAMESPACE);
    let patch = Patch::Merge(json!({"stringData": {"expiresAt": issued}}));
    let (parameters, patch) = (PatchParams::default(), &patch);
    secrets.patch(&stored, &parameters, patch).await.unwrap();
}
