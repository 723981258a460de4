//! Names that a tenant once got outside the cluster are kept, whatever the rule for new ones is by now.

use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{Outside, Platform};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

/// Fields of a record that name something.
const NAMES: [&str; 8] = [
    "database",
    "ownerRole",
    "migrateRole",
    "appRole",
    "vhost",
    "brokerUser",
    "cacheUser",
    "cachePrefix",
];

#[tokio::test]
async fn names_of_an_older_rule_are_used_and_dropped_and_no_others() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("aged", json!({})).await;
    let of_today = platform.record("aged").await;
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), NAMESPACE);
    let mut backup = secrets.get("tenant-aged").await.unwrap();
    platform.remove("aged").await;
    assert_eq!(platform.outside(&of_today).await, Outside::NOTHING);

    under_an_older_rule(&mut backup);
    let id = of_today["tenantId"].clone();
    let created = secrets.create(&PostParams::default(), &backup).await;
    created.unwrap();
    let adopted = platform
        .airline("aged", json!({"bootstrap": {"adopt": id}}))
        .await;
    let record = platform.record("aged").await;
    for name in NAMES {
        assert!(record[name].starts_with("old_"), "{name}");
    }
    let told = adopted.status.unwrap().resources;
    assert!(
        told.iter().all(|it| it.name.starts_with("old_")),
        "{told:?}"
    );
    platform.lets_in("aged").await;
    platform.leave_a_mark("aged").await;

    operator.stop().await;
    let operator = platform.operator().await;
    platform
        .change("aged", json!({"displayName": "Aged Airways"}))
        .await;
    platform.ready("aged").await;
    assert!(platform.has_its_mark("aged").await);
    assert_eq!(platform.outside(&record).await, Outside::ALL);
    assert_eq!(platform.outside(&of_today).await, Outside::NOTHING);
    platform.remove("aged").await;
    assert_eq!(platform.outside(&record).await, Outside::NOTHING);
    operator.stop().await;
}

/// As an operator of earlier days would have left it behind.
fn under_an_older_rule(record: &mut Secret) {
    record.metadata.resource_version = None;
    record.metadata.uid = None;
    record.metadata.managed_fields = None;
    let annotations = record.metadata.annotations.get_or_insert_default();
    let at = "2026-01-01T00:00:00Z".to_owned();
    annotations.insert("albatross.aero/retained-at".to_owned(), at);
    let data = record.data.as_mut().unwrap();
    data.remove("migratedImage");
    for name in NAMES {
        let ByteString(today) = &data[name];
        let older = String::from_utf8_lossy(today).replace("alb_", "old_");
        data.insert(name.to_owned(), ByteString(older.into_bytes()));
    }
}
