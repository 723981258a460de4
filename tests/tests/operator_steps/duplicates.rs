//! Whoever loses a name to somebody else drops nothing of the winner's, however it ends.

use albatross_crds::tenant::DeletionPolicy;
use albatross_tests::platform::{Outside, Platform};
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
