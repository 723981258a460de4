//! The API server away for a while: who leads is settled by the Lease, and what happened meanwhile is caught up with.

use std::time::{Duration, Instant};

use albatross_tests::platform::{Operator, Platform, Setting};
use albatross_tests::proxy::{Mode, Proxy};
use albatross_tests::wait::{recovered, until};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

const LEASE_SECONDS: u16 = 15;
/// Four times as long as a Lease lives.
const AWAY: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_leader_ends_when_the_api_server_is_away_for_longer_than_its_lease_and_one_goes_on_afterwards()
 {
    let mut setting = Setting::straight().await;
    setting.lease_seconds = LEASE_SECONDS;
    let platform = Platform::with(setting).await;
    let mut first = platform.operator().await;
    let mut second = platform.replica("second").await;
    platform.airline("cut-off", json!({})).await;
    platform.leave_a_mark("cut-off").await;
    let record = async || {
        let mut record = platform.record("cut-off").await;
        // More pods may have more connections.
        for follows_from_the_pods in ["provisioned", "connections"] {
            record.remove(follows_from_the_pods);
        }
        record
    };
    let before = record().await;

    platform.api_server.stop().await;
    let since = Instant::now();
    until("the leader has ended by itself", async || {
        second.must_live();
        first.process.has_ended()
    })
    .await;
    let said = first.said();
    assert!(said.contains("the Lease was not renewed in time"), "{said}");
    let mut first = platform.start_again(first);
    tokio::time::sleep(AWAY.saturating_sub(since.elapsed())).await;
    second.must_live();
    first.must_live();
    platform.api_server.start().await;

    recovered("one of them leads", async || {
        let leader = platform.leader().await;
        let leads = |it: &Operator| it.identity == leader && it.said().contains("leading");
        leads(&first) != leads(&second)
    })
    .await;
    platform
        .change("cut-off", json!({"api": {"replicas": 2}}))
        .await;
    platform.airline("newcomer", json!({})).await;
    platform.ready("cut-off").await;
    assert!(platform.has_its_mark("cut-off").await);
    assert_eq!(record().await, before);
    for tenant in ["cut-off", "newcomer"] {
        platform.remove(tenant).await;
    }
    first.stop().await;
    second.stop().await;
}

/// An API server that starts again has forgotten what changed before: it answers 410 to whoever wants to go on from there.
#[tokio::test]
async fn what_changed_while_every_watch_expired_is_caught_up_with() {
    let mut setting = Setting::straight().await;
    // Longer than all of this takes: the leader stays.
    setting.lease_seconds = 300;
    let platform = Platform::with(setting).await;
    let way = Proxy::before(&platform.api_server.url()).await;
    let through = way.url(&platform.api_server.url());
    let mut operator = platform.start("operator", Some(&through)).await;
    for tenant in ["changing", "leaving", "robbed"] {
        platform.airline(tenant, json!({})).await;
    }

    way.set(Mode::Refuse);
    let meanwhile = json!({"api": {"replicas": 3}});
    platform.change("changing", meanwhile).await;
    let left = platform
        .tenants()
        .delete("leaving", &DeleteParams::default())
        .await;
    left.unwrap();
    platform.declare("coming", json!({})).await;
    let deployments = ["albatross-changing", "albatross-robbed"]
        .map(|namespace| Api::<Deployment>::namespaced(platform.client.clone(), namespace));
    // What is gone is in no list that is begun anew.
    for deployments in &deployments {
        let deleted = deployments.delete("api", &DeleteParams::default()).await;
        deleted.unwrap();
    }
    let services: Api<Service> = Api::namespaced(platform.client.clone(), "albatross-changing");
    let declared = services.get("api").await.unwrap().spec.unwrap().selector;
    let drift = json!({"spec": {"selector": {"only": "these"}}});
    let (parameters, drift) = (PatchParams::default(), Patch::Merge(&drift));
    services.patch("api", &parameters, &drift).await.unwrap();
    platform.api_server.stop().await;
    platform.api_server.start().await;
    way.set(Mode::Pass);

    let mut seen = None;
    recovered("all that was missed is done", async || {
        let mut replicas = Vec::new();
        for deployments in &deployments {
            let deployment = deployments.get_opt("api").await.unwrap();
            replicas.push(deployment.and_then(|it| it.spec?.replicas));
        }
        let service = services.get("api").await.unwrap().spec.unwrap();
        let is_gone = platform.tenant("leaving").await.is_none();
        let now = (replicas, service.selector == declared, is_gone);
        let is_done = now == (vec![Some(3), Some(1)], true, true);
        if seen.as_ref() != Some(&now) {
            eprintln!(
                "replicas, whether the Service is right, whether the tenant is gone: {now:?}"
            );
            seen = Some(now);
        }
        is_done
    })
    .await;
    for tenant in ["changing", "coming", "robbed"] {
        platform.ready(tenant).await;
    }
    operator.must_live();
    let said = operator.said();
    assert!(said.contains("too old resource version"), "{said}");
    for tenant in ["changing", "coming", "robbed"] {
        platform.remove(tenant).await;
    }
    operator.stop().await;
}
