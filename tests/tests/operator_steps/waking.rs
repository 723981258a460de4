//! A pod that starts when nobody could be told what was declared is not ready before it is told.

use albatross::adapters::migrate;
use albatross_operator::names;
use albatross_tests::platform::{CLIENTS, Platform};
use albatross_tests::servers::servers;
use albatross_tests::wait::until;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube::Api;
use serde_json::json;

use crate::runtime::tell;
use crate::serving::Serving;

struct Woken {
    platform: Platform,
    deployments: Api<Deployment>,
}

impl Woken {
    async fn new() -> Self {
        let platform = Platform::new().await;
        Self {
            deployments: Api::namespaced(platform.client.clone(), "albatross-woken"),
            platform,
        }
    }

    async fn template(&self) -> PodTemplateSpec {
        let deployment = self.deployments.get("api").await.unwrap();
        deployment.spec.unwrap().template
    }

    async fn status(&self) -> DeploymentStatus {
        let deployment = self.deployments.get("api").await.unwrap();
        deployment.status.unwrap_or_default()
    }

    /// The state that a pod must know which starts now.
    async fn named(&self) -> u64 {
        let environment = self
            .platform
            .secret("albatross-woken", "albatross-api")
            .await;
        environment.unwrap()[names::REQUIRED_DESIRED]
            .parse()
            .unwrap()
    }

    fn is_away(&self, is_away: bool) {
        self.platform
            .runtimes
            .change("woken", |runtime| runtime.is_away = is_away);
    }
}

#[tokio::test]
async fn a_pod_that_wakes_is_not_ready_before_it_knows_what_was_declared_meanwhile() {
    let woken = Woken::new().await;
    let platform = &woken.platform;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    platform.airline("woken", json!({})).await;
    let key = "woken-acars";
    platform.declare_key(key, "woken", json!({})).await;
    platform.key_comes_to(key, "True", "Available").await;
    let runtime = platform.runtimes.of("woken");
    assert_eq!(runtime.told_behind[&1], "api-starting");
    assert_eq!(runtime.told_behind[&runtime.number], "api");
    // What pods that serve are told concerns no pod that starts beside them, and restarts none.
    assert_eq!((woken.named().await, runtime.number > 1), (1, true));
    let template = woken.template().await;

    platform.change("woken", json!({"hibernate": "Now"})).await;
    platform
        .comes_to("woken", "Ready", "True", "Hibernated")
        .await;
    platform.change_key(key, json!({"revoked": true})).await;
    until("the next pod must know of it", async || {
        woken.named().await > runtime.number
    })
    .await;
    let missed = woken.named().await;

    woken.is_away(true);
    platform
        .change("woken", json!({"hibernate": "Never"}))
        .await;
    platform
        .comes_to("woken", "Ready", "Unknown", "WaitingForRuntime")
        .await;
    until("a pod runs", async || {
        woken.status().await.replicas == Some(1)
    })
    .await;
    let unaware = platform.runtimes.of("woken");
    assert_eq!(unaware.live_keys().len(), 1, "it would let the key in");
    assert_eq!(woken.status().await.ready_replicas.unwrap_or(0), 0);
    woken.is_away(false);
    platform.ready("woken").await;
    let aware = platform.runtimes.of("woken");
    assert_eq!(aware.told_behind[&missed], "api-starting");
    assert_eq!(aware.live_keys(), Vec::<&str>::new());

    platform
        .change("woken", json!({"displayName": "Skyways again"}))
        .await;
    until("the running pod is told more", async || {
        platform.runtimes.of("woken").number > missed
    })
    .await;
    platform.ready("woken").await;
    assert_eq!(woken.named().await, missed);
    assert_eq!(woken.template().await, template);
    platform.remove_key(key).await;
    platform.remove("woken").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_first_key_is_handed_out_once_the_next_pod_must_know_it() {
    let woken = Woken::new().await;
    let platform = &woken.platform;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    platform.airline("woken", json!({})).await;
    platform.change("woken", json!({"hibernate": "Now"})).await;
    platform
        .comes_to("woken", "Ready", "True", "Hibernated")
        .await;
    // Nothing is written for whom nothing is changed: were it woken now, its pods would not wait for a key.
    platform.change("woken", json!({"suspend": true})).await;
    platform
        .comes_to("woken", "Suspended", "True", "Suspended")
        .await;
    let required = async || {
        let record = platform.record("woken").await;
        record["requiredDesired"].parse::<u64>().unwrap()
    };
    let before = required().await;
    let key = "woken-first";
    platform.declare_key(key, "woken", json!({})).await;
    platform
        .key_comes_to(key, "False", "WaitingForTenant")
        .await;
    assert_eq!(platform.secret(CLIENTS, key).await, None);
    assert_eq!(required().await, before);

    platform.change("woken", json!({"suspend": false})).await;
    platform.key_comes_to(key, "True", "Available").await;
    assert!(required().await > before);
    platform
        .change("woken", json!({"hibernate": "Never"}))
        .await;
    platform.ready("woken").await;
    let id = platform.client_secret(key).await["keyId"].clone();
    assert_eq!(platform.runtimes.of("woken").live_keys(), [id.as_str()]);
    platform.remove_key(key).await;
    platform.remove("woken").await;
    operator.stop().await;
}

#[tokio::test]
async fn the_real_runtime_is_ready_once_it_has_been_told_that_state() {
    let database = servers().await.database().await;
    migrate(&database.url).await.unwrap();
    let mut serving = Serving::start(&database, &[(names::REQUIRED_DESIRED, "3")]);
    serving.answers_ready(503).await;
    tell(&serving.internal, 2).await.unwrap();
    serving.answers_ready(503).await;
    tell(&serving.internal, 3).await.unwrap();
    serving.answers_ready(200).await;
    serving.process.interrupt().await;
    // Who has been told before waits for nobody, be the operator away.
    let mut again = Serving::start(&database, &[(names::REQUIRED_DESIRED, "3")]);
    again.answers_ready(200).await;
    again.process.interrupt().await;
}
