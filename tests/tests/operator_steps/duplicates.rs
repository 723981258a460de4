//! Whoever loses a name to somebody else drops nothing of the winner's, however it ends.

use albatross_crds::tenant::DeletionPolicy;
use albatross_tests::platform::{Outside, Platform};
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use serde_json::json;

#[tokio::test]
async fn a_tenant_that_lost_its_host_takes_nothing_of_the_winner_along() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("winner", json!({})).await;
    platform.airline("loser", json!({})).await;
    platform.leave_a_mark("winner").await;
    let (winner, loser) = (
        platform.record("winner").await,
        platform.record("loser").await,
    );
    let same = json!({"host": "winner.example"});
    platform.change("loser", same.clone()).await;
    platform.declare("newcomer", same).await;
    for name in ["loser", "newcomer"] {
        platform
            .comes_to(name, "Stalled", "True", "HostConflict")
            .await;
        platform.remove(name).await;
    }
    assert_eq!(platform.outside(&loser).await, Outside::NOTHING);
    assert_eq!(platform.outside(&winner).await, Outside::ALL);
    assert_eq!(platform.record("winner").await, winner);
    assert!(platform.has_its_mark("winner").await);
    platform.ready("winner").await;
    platform.remove("winner").await;
    operator.stop().await;
}

#[tokio::test]
async fn who_serves_a_host_keeps_it_however_old_who_else_wants_it_is() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let ingress = json!({"exposure": {"ingress": {}}});
    platform.airline("elder", ingress.clone()).await;
    platform.airline("younger", ingress).await;

    let younger_s = json!({"host": "younger.example"});
    platform.change("elder", younger_s.clone()).await;
    platform
        .comes_to("elder", "Stalled", "True", "HostConflict")
        .await;
    look_again(&platform, "younger").await;
    platform.ready("younger").await;
    assert_eq!(hosts(&platform, "elder").await, ["elder.example"]);
    assert_eq!(hosts(&platform, "younger").await, ["younger.example"]);

    // What it serves is its own until it has let go of it, whatever it wants.
    let elder_s = json!({"host": "elder.example"});
    platform.change("younger", elder_s).await;
    platform
        .comes_to("younger", "Stalled", "True", "HostConflict")
        .await;
    platform
        .change("younger", json!({"host": "third.example"}))
        .await;
    platform.ready("younger").await;
    look_again(&platform, "elder").await;
    platform.ready("elder").await;
    assert_eq!(hosts(&platform, "elder").await, ["younger.example"]);
    for name in ["elder", "younger"] {
        platform.remove(name).await;
    }
    operator.stop().await;
}

#[tokio::test]
async fn a_host_that_only_looks_like_anothers_is_another_and_takes_nothing_of_it() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    // The DNS form of `skyways.example` with a Cyrillic letter.
    let look_alike = "xn--skywys-6nf.example";
    for (name, host) in [("skyways", "skyways.example"), ("mimic", look_alike)] {
        let spec = json!({"host": host, "exposure": {"ingress": {}}});
        platform.airline(name, spec).await;
    }
    assert_eq!(hosts(&platform, "skyways").await, ["skyways.example"]);
    assert_eq!(hosts(&platform, "mimic").await, [look_alike]);
    let genuine = platform.runtimes.of("skyways").state;
    let url = genuine["tenant"]["publicUrl"].as_str().unwrap();
    assert!(url.ends_with("://skyways.example"), "{url}");
    // In that form it is a name like any other, and has one owner.
    platform.declare("late", json!({"host": look_alike})).await;
    platform
        .comes_to("late", "Stalled", "True", "HostConflict")
        .await;
    for name in ["late", "mimic"] {
        platform.remove(name).await;
    }
    platform.ready("skyways").await;
    platform.remove("skyways").await;
    operator.stop().await;
}

#[tokio::test]
async fn who_is_only_observed_has_no_host_before_it_was_managed_and_keeps_it_then() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let same = |mode: &str| json!({"host": "same.example", "mode": mode});
    platform.declare("observed", same("Observe")).await;
    platform
        .comes_to("observed", "Ready", "False", "Observing")
        .await;
    platform.airline("managed", same("Apply")).await;
    platform.change("observed", same("Apply")).await;
    platform
        .comes_to("observed", "Stalled", "True", "HostConflict")
        .await;
    platform.change("managed", same("Observe")).await;
    platform.ready("managed").await;
    look_again(&platform, "observed").await;
    platform
        .comes_to("observed", "Stalled", "True", "HostConflict")
        .await;
    for name in ["observed", "managed"] {
        platform.remove(name).await;
    }
    operator.stop().await;
}

/// Changes a tenant so that the operator has to look.
async fn look_again(platform: &Platform, tenant: &str) {
    let again = json!({"displayName": "Looked at"});
    platform.change(tenant, again).await;
}

/// That a tenant's Ingress names.
async fn hosts(platform: &Platform, tenant: &str) -> Vec<String> {
    let namespace = albatross_crds::tenant_namespace(tenant);
    let ingresses: Api<Ingress> = Api::namespaced(platform.client.clone(), &namespace);
    let ingress = ingresses.get("api").await.unwrap();
    let rules = ingress.spec.and_then(|spec| spec.rules).unwrap_or_default();
    rules.into_iter().filter_map(|rule| rule.host).collect()
}

/// A backup of objects brings the finalizer along, so that the operator is asked about the end of what it never began.
#[tokio::test]
async fn a_tenant_of_the_same_name_that_is_refused_drops_nothing_of_the_retained_one() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let retain = json!({"deletionPolicy": "Retain"});
    let mut again = platform.airline("twice", retain).await;
    platform.leave_a_mark("twice").await;
    let id = platform.record("twice").await["tenantId"].clone();
    platform.remove("twice").await;
    let retained = platform.record("twice").await;

    again.metadata = ObjectMeta {
        name: again.metadata.name,
        finalizers: again.metadata.finalizers,
        ..ObjectMeta::default()
    };
    assert!(again.metadata.finalizers.is_some());
    again.spec.deletion_policy = DeletionPolicy::Delete;
    let created = platform
        .tenants()
        .create(&PostParams::default(), &again)
        .await;
    created.unwrap();
    platform
        .comes_to("twice", "Stalled", "True", "ResourceConflict")
        .await;
    platform.remove("twice").await;
    assert_eq!(platform.outside(&retained).await, Outside::ALL);
    assert_eq!(platform.record("twice").await, retained);

    platform
        .airline("twice", json!({"bootstrap": {"adopt": id}}))
        .await;
    assert!(platform.has_its_mark("twice").await);
    platform.remove("twice").await;
    assert_eq!(platform.outside(&retained).await, Outside::NOTHING);
    operator.stop().await;
}
