//! A deleted tenant that was kept is taken back as it was: by its identity, under its name, and by nobody else.

use std::collections::BTreeMap;

use albatross_tests::platform::{Platform, condition};
use serde_json::json;

/// What a record must never have twice.
const IDENTITY: [&str; 13] = [
    "tenantId",
    "database",
    "appRole",
    "migrateRole",
    "vhost",
    "cacheUser",
    "tenantKey",
    "pepper",
    "internalToken",
    "appPassword",
    "migratePassword",
    "brokerPassword",
    "cachePassword",
];

#[tokio::test]
async fn a_retained_tenant_is_taken_back_with_its_identity_its_data_and_its_keys() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    platform
        .airline("kept", json!({"deletionPolicy": "Retain"}))
        .await;
    platform.declare_key("kept-acars", "kept", json!({})).await;
    platform
        .key_comes_to("kept-acars", "True", "Available")
        .await;
    platform.leave_a_mark("kept").await;
    let before = identity(&platform).await;
    let id = before["tenantId"].clone();
    let key = platform.client_secret("kept-acars").await;
    platform.remove("kept").await;
    assert_eq!(identity(&platform).await, before);
    platform
        .key_comes_to("kept-acars", "False", "TenantNotFound")
        .await;

    platform.declare("kept", json!({})).await;
    let refused = platform
        .comes_to("kept", "Stalled", "True", "ResourceConflict")
        .await;
    let said = condition(&refused, "Stalled").unwrap().message;
    assert!(
        said.contains(&format!("spec.bootstrap.adopt: {id}")),
        "{said}"
    );
    platform.remove("kept").await;

    let adopted = platform
        .airline("kept", json!({"bootstrap": {"adopt": id}}))
        .await;
    assert_eq!(adopted.status.unwrap().tenant_id, Some(id));
    assert_eq!(identity(&platform).await, before);
    assert!(platform.has_its_mark("kept").await);
    platform
        .key_comes_to("kept-acars", "True", "Available")
        .await;
    assert_eq!(platform.client_secret("kept-acars").await, key);
    assert_eq!(
        platform.runtimes.of("kept").live_keys(),
        [key["keyId"].as_str()]
    );

    platform.remove_key("kept-acars").await;
    platform.remove("kept").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_tenant_that_lives_or_has_another_name_is_not_taken_over() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let living = platform.airline("living", json!({})).await;
    let living = living.status.unwrap().tenant_id.unwrap();
    let retained = platform
        .airline("retained", json!({"deletionPolicy": "Retain"}))
        .await;
    let retained = retained.status.unwrap().tenant_id.unwrap();
    platform.remove("retained").await;
    let nobody = "0d4b8a2e-8f3b-4a93-9f0e-2d6f3f6f8f11";
    for (id, reason, said) in [
        (living.as_str(), "AdoptionRefused", "which is tenant living"),
        (
            &retained,
            "AdoptionRefused",
            "a Tenant of its own name, retained",
        ),
        (nobody, "CredentialsLost", "restore it from a backup"),
    ] {
        platform
            .declare("thief", json!({"bootstrap": {"adopt": id}}))
            .await;
        let refused = platform.comes_to("thief", "Stalled", "True", reason).await;
        let message = condition(&refused, "Ready").unwrap().message;
        assert!(message.contains(said), "{message}");
        platform.remove("thief").await;
    }
    platform
        .declare("retained", json!({"bootstrap": {"adopt": living}}))
        .await;
    platform
        .comes_to("retained", "Stalled", "True", "AdoptionRefused")
        .await;
    platform.remove("retained").await;
    platform
        .airline("retained", json!({"bootstrap": {"adopt": retained}}))
        .await;
    platform.ready("living").await;
    platform.remove("retained").await;
    platform.remove("living").await;
    operator.stop().await;
}

async fn identity(platform: &Platform) -> BTreeMap<String, String> {
    let mut record = platform.record("kept").await;
    record.retain(|key, _| IDENTITY.contains(&key.as_str()));
    assert_eq!(record.len(), IDENTITY.len());
    record
}
