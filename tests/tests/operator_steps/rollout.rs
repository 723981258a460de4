//! The operator's image changes: canaries are moved first, few at once, and nobody any more once one has failed.

use albatross_crds::Tenant;
use albatross_tests::platform::{Migration, Operator, Platform, condition};
use albatross_tests::wait::until;
use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

use crate::version::image;

const OTHERS: [&str; 2] = ["second", "third"];

/// One canary and two others at 0.1.0, moved one by one.
async fn fleet() -> Platform {
    let platform = Platform::new().await;
    platform.configure(|config| {
        config["defaults"]["image"] = json!("a.example/albatross:0.1.0");
        let canaries = json!({"matchLabels": {"stage": "canary"}});
        config["rollout"] = json!({"maxConcurrent": 1, "canarySelector": canaries});
    });
    let operator = platform.operator().await;
    let worker = json!({"worker": {"replicas": 1}});
    platform.airline("canary", worker).await;
    join_all(OTHERS.map(|tenant| platform.airline(tenant, json!({})))).await;
    let label = json!({"metadata": {"labels": {"stage": "canary"}}});
    let (how, patch) = (PatchParams::default(), Patch::Merge(&label));
    let labelled = platform.tenants().patch("canary", &how, &patch).await;
    labelled.unwrap();
    operator.stop().await;
    platform
}

async fn upgraded(platform: &Platform, version: &str) -> Operator {
    let image = format!("a.example/albatross:{version}");
    platform.configure(|config| config["defaults"]["image"] = json!(image));
    platform.operator().await
}

async fn runs(platform: &Platform, tenant: &str, version: &str) {
    until(&format!("{tenant} is Ready at {version}"), async || {
        let found = platform.tenant(tenant).await.unwrap();
        image(platform, tenant).await == format!("a.example/albatross:{version}")
            && condition(&found, "UpgradePending").is_none()
            && condition(&found, "Ready").is_some_and(|ready| ready.status == "True")
    })
    .await;
}

/// Is Ready where it is, and told that it waits.
async fn waits(platform: &Platform, tenant: &str, reason: &str, message: &str) -> Tenant {
    let waiting = platform
        .comes_to(tenant, "UpgradePending", "True", reason)
        .await;
    let told = condition(&waiting, "UpgradePending").unwrap().message;
    assert!(told.contains(message), "{told}");
    assert_eq!(condition(&waiting, "Ready").unwrap().status, "True");
    assert!(image(platform, tenant).await.ends_with(":0.1.0"));
    waiting
}

async fn events(platform: &Platform, tenant: &str, reason: &str) -> usize {
    let events: Api<Event> = Api::all(platform.client.clone());
    let of = format!("involvedObject.name={tenant},reason={reason}");
    let found = events.list(&ListParams::default().fields(&of)).await;
    found.unwrap().items.len()
}

/// Lets it try again at once.
async fn mend(platform: &Platform, tenant: &str) {
    platform.runtimes.change(tenant, |runtime| {
        runtime.migration = Migration::Succeeds;
    });
    let jobs: Api<Job> = Api::namespaced(platform.client.clone(), &format!("albatross-{tenant}"));
    let (how, all) = (DeleteParams::background(), ListParams::default());
    let deleted = jobs.delete_collection(&how, &all).await;
    deleted.unwrap();
}

/// Whoever loses a right, and a way in, loses it while the schema is not that of the image that is to run.
async fn what_names_no_image_goes_on(platform: &Platform, tenant: &str) {
    let namespace = format!("albatross-{tenant}");
    let bindings: Api<RoleBinding> = Api::namespaced(platform.client.clone(), &namespace);
    let ways_in: Api<Ingress> = Api::namespaced(platform.client.clone(), &namespace);
    let host = async || {
        let ingress = ways_in.get_opt("api").await.unwrap()?;
        ingress.spec?.rules?.pop()?.host
    };
    for (owners, exposure, served) in [
        (
            json!([{"kind": "User", "name": "ada"}]),
            json!({"none": null, "ingress": {}}),
            true,
        ),
        (json!([]), json!({"none": {}, "ingress": null}), false),
    ] {
        let change = json!({"owners": owners, "exposure": exposure, "worker": {"replicas": 0}});
        platform.change(tenant, change).await;
        until(&format!("owners are {owners}"), async || {
            let owned = bindings.get_opt("owners").await.unwrap().is_some();
            let expected = served.then(|| format!("{tenant}.example"));
            owned == served && host().await == expected
        })
        .await;
        let found = platform.tenant(tenant).await.unwrap();
        let ready = condition(&found, "Ready").unwrap();
        assert_eq!(ready.reason, "MigrationFailed");
    }
    // Pods of the image before count on their worker.
    let pods: Api<Deployment> = Api::namespaced(platform.client.clone(), &namespace);
    assert!(pods.get_opt("worker").await.unwrap().is_some());
    assert!(image(platform, tenant).await.ends_with(":0.1.0"));
}

#[tokio::test]
async fn a_failed_canary_stops_the_rollout_until_it_is_ready_and_others_follow_one_by_one() {
    let platform = fleet().await;
    platform.runtimes.change("canary", |runtime| {
        runtime.migration = Migration::Fails;
    });
    let operator = upgraded(&platform, "0.2.0").await;
    platform
        .comes_to("canary", "Ready", "False", "MigrationFailed")
        .await;
    what_names_no_image_goes_on(&platform, "canary").await;
    for tenant in OTHERS {
        waits(&platform, tenant, "RolloutStopped", "tenant canary").await;
        until("it is an event too", async || {
            events(&platform, tenant, "RolloutStopped").await == 1
        })
        .await;
    }
    let count = async |state: &str| operator.metric("upgrades", &[state]).await as i64;
    assert_eq!(
        [count("failed").await, count("waiting").await],
        [1, 2],
        "{}",
        operator.said()
    );

    // Who waits is reconciled all the same, who is new begins at the newest, and a restart forgets nothing.
    operator.stop().await;
    let operator = platform.operator().await;
    platform
        .change("second", json!({"api": {"replicas": 2}}))
        .await;
    platform.ready("second").await;
    platform.airline("fresh", json!({})).await;
    assert!(image(&platform, "fresh").await.ends_with(":0.2.0"));
    platform.remove("fresh").await;
    for tenant in OTHERS {
        waits(&platform, tenant, "RolloutStopped", "tenant canary").await;
        assert_eq!(events(&platform, tenant, "RolloutStopped").await, 1);
        platform.runtimes.change(tenant, |runtime| {
            runtime.migration = Migration::Hangs;
        });
    }

    mend(&platform, "canary").await;
    runs(&platform, "canary", "0.2.0").await;
    let pods: Api<Deployment> = Api::namespaced(platform.client.clone(), "albatross-canary");
    until("no worker is left", async || {
        pods.get_opt("worker").await.unwrap().is_none()
    })
    .await;
    let mut going = Vec::new();
    until("one of the others goes", async || {
        let records = join_all(OTHERS.map(|tenant| platform.record(tenant))).await;
        going = records
            .iter()
            .map(|it| it.contains_key("upgradeImage"))
            .collect();
        going.contains(&true)
    })
    .await;
    let waiting = if going[0] { OTHERS[1] } else { OTHERS[0] };
    platform
        .change(waiting, json!({"displayName": "Later"}))
        .await;
    waits(&platform, waiting, "WaitingForRollout", "as many tenants").await;
    let record = platform.record(waiting).await;
    assert_eq!(record.get("upgradeImage"), None);
    for tenant in OTHERS {
        platform.runtimes.change(tenant, |runtime| {
            runtime.migration = Migration::Succeeds;
        });
    }
    for tenant in OTHERS {
        runs(&platform, tenant, "0.2.0").await;
    }
    join_all(["canary", "second", "third"].map(|tenant| platform.remove(tenant))).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_stopped_rollout_goes_on_once_the_failed_one_is_pinned_back_and_another_image_begins_anew()
 {
    let platform = fleet().await;
    for tenant in ["canary", "second"] {
        platform.runtimes.change(tenant, |runtime| {
            runtime.migration = Migration::Fails;
        });
    }
    let operator = upgraded(&platform, "0.2.0").await;
    waits(&platform, "third", "RolloutStopped", "tenant canary").await;
    // Neither suspension nor deletion waits.
    platform.change("third", json!({"suspend": true})).await;
    let suspended = platform
        .comes_to("third", "Suspended", "True", "Suspended")
        .await;
    assert_eq!(condition(&suspended, "Ready").unwrap().status, "True");
    platform.remove("third").await;

    platform.change("canary", json!({"version": "0.1.0"})).await;
    platform
        .comes_to("second", "Ready", "False", "MigrationFailed")
        .await;
    platform.ready("canary").await;
    assert!(image(&platform, "canary").await.ends_with(":0.1.0"));

    // What failed at one image is no reason to wait at the next.
    platform.change("canary", json!({"version": null})).await;
    waits(&platform, "canary", "RolloutStopped", "tenant second").await;
    operator.stop().await;
    for tenant in ["canary", "second"] {
        platform.runtimes.change(tenant, |runtime| {
            runtime.migration = Migration::Succeeds;
        });
    }
    let operator = upgraded(&platform, "0.3.0").await;
    for tenant in ["canary", "second"] {
        runs(&platform, tenant, "0.3.0").await;
    }
    join_all(["canary", "second"].map(|tenant| platform.remove(tenant))).await;
    operator.stop().await;
}
