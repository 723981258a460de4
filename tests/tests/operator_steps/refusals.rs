//! What somebody has to mend is told by its reason, nothing is made of it, and mending it is all that it takes.

use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{Outside, Platform, Setting, Ways, condition};
use albatross_tests::servers::servers;
use albatross_tests::wait::until;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

#[tokio::test]
async fn a_declaration_that_cannot_be_is_refused_by_its_reason_and_nothing_is_made() {
    let mut setting = Setting::straight().await;
    let small = Ways {
        budget: 10,
        ..Ways::straight(servers().await)
    };
    setting.ways.push(("small", small));
    let platform = Platform::with(setting).await;
    let operator = platform.operator().await;
    platform.airline("first", json!({})).await;
    let cases: [(&str, Value, &str, &str); 5] = [
        (
            "loser",
            json!({"host": "first.example"}),
            "HostConflict",
            "which tenant first has",
        ),
        (
            "nowhere",
            json!({"placement": {"postgres": "nowhere"}}),
            "UnknownServer",
            "spec.placement.postgres",
        ),
        (
            "nobroker",
            json!({"placement": {"rabbitmq": "nowhere"}}),
            "UnknownServer",
            "spec.placement.rabbitmq",
        ),
        (
            "greedy",
            json!({"placement": {"postgres": "small"}}),
            "ServerFull",
            "10 connections left",
        ),
        (
            "invalid",
            json!({"quota": {"pods": 1}}),
            "InvalidSpec",
            "spec.quota",
        ),
    ];
    for (name, change, reason, said) in cases {
        platform.declare(name, change).await;
        let refused = platform.comes_to(name, "Stalled", "True", reason).await;
        let message = condition(&refused, "Ready").unwrap().message;
        assert!(message.contains(said), "{name}: {message}");
        assert!(is_untouched(&platform, name).await, "{name}");
    }
    platform
        .change("loser", json!({"host": "loser.example"}))
        .await;
    platform
        .change("invalid", json!({"quota": {"pods": 20}}))
        .await;
    for name in ["loser", "invalid"] {
        platform.ready(name).await;
    }
    for name in ["first", "loser", "nowhere", "nobroker", "greedy", "invalid"] {
        platform.remove(name).await;
    }
    operator.stop().await;
}

async fn is_untouched(platform: &Platform, tenant: &str) -> bool {
    let namespaces: Api<Namespace> = Api::all(platform.client.clone());
    let namespace = namespaces.get_opt(&format!("albatross-{tenant}")).await;
    let record = platform
        .secret(NAMESPACE, &format!("tenant-{tenant}"))
        .await;
    namespace.unwrap().is_none() && record.is_none()
}

#[tokio::test]
async fn a_namespace_that_was_there_before_is_left_alone() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let namespaces: Api<Namespace> = Api::all(platform.client.clone());
    // Even one that claims to be the tenant's.
    let labels = json!({"albatross.aero/managed": "true", "albatross.aero/tenant": "foreign"});
    let foreign = json!({"metadata": {"name": "albatross-foreign", "labels": labels}});
    let foreign: Namespace = serde_json::from_value(foreign).unwrap();
    let before = namespaces
        .create(&PostParams::default(), &foreign)
        .await
        .unwrap();
    platform.declare("foreign", json!({})).await;
    platform
        .comes_to("foreign", "Stalled", "True", "NamespaceConflict")
        .await;
    let deleted = platform
        .tenants()
        .delete("foreign", &DeleteParams::default())
        .await;
    deleted.unwrap();
    albatross_tests::wait::until("the tenant is gone", async || {
        platform.tenant("foreign").await.is_none()
    })
    .await;
    assert_eq!(namespaces.get("albatross-foreign").await.unwrap(), before);
    crate::deletion::delete_namespace(&platform, "albatross-foreign").await;
    operator.stop().await;
}

#[tokio::test]
async fn credentials_that_are_lost_are_told_and_never_made_anew() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("lost", json!({})).await;
    let record = platform.record("lost").await;
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), NAMESPACE);
    let backup = secrets.get("tenant-lost").await.unwrap();

    let damaged = json!({"data": {"appPassword": null}});
    let patch = Patch::Merge(&damaged);
    secrets
        .patch("tenant-lost", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let told = platform
        .comes_to("lost", "Stalled", "True", "CredentialsLost")
        .await;
    let message = condition(&told, "Ready").unwrap().message;
    assert!(message.contains("appPassword"), "{message}");
    restore(&secrets, &backup).await;
    platform.ready("lost").await;

    secrets
        .delete("tenant-lost", &DeleteParams::default())
        .await
        .unwrap();
    platform
        .comes_to("lost", "Stalled", "True", "CredentialsLost")
        .await;
    assert!(platform.secret(NAMESPACE, "tenant-lost").await.is_none());
    assert_eq!(platform.outside(&record).await, Outside::ALL);
    restore(&secrets, &backup).await;
    platform.ready("lost").await;
    assert_eq!(platform.record("lost").await, record);

    // Whoever deletes the tenant then is not told that all is dropped while it is not.
    secrets
        .patch("tenant-lost", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let tenants = platform.tenants();
    let deleted = tenants.delete("lost", &DeleteParams::default()).await;
    deleted.unwrap();
    platform
        .comes_to("lost", "DeletionBlocked", "True", "Deleting")
        .await;
    assert_eq!(platform.outside(&record).await, Outside::ALL);
    let anothers = json!({"stringData": {"tenantId": uuid::Uuid::nil(), "appPassword": record["appPassword"]}});
    secrets
        .patch(
            "tenant-lost",
            &PatchParams::default(),
            &Patch::Merge(&anothers),
        )
        .await
        .unwrap();
    until("it is told whose the Secret is", async || {
        let tenant = platform.tenant("lost").await.unwrap();
        let blocked = condition(&tenant, "DeletionBlocked");
        blocked.is_some_and(|it| it.message.contains("is of another tenant"))
    })
    .await;
    assert_eq!(platform.outside(&record).await, Outside::ALL);
    restore(&secrets, &backup).await;
    platform.remove("lost").await;
    assert_eq!(platform.outside(&record).await, Outside::NOTHING);
    operator.stop().await;
}

#[tokio::test]
async fn a_deletion_that_lacks_the_record_waits_for_it_or_for_leave_to_keep_all() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), NAMESPACE);
    let mut had = Vec::new();
    for name in ["restored", "let-go"] {
        platform.airline(name, json!({})).await;
        let secret = format!("tenant-{name}");
        had.push((
            platform.record(name).await,
            secrets.get(&secret).await.unwrap(),
        ));
        let deleted = secrets.delete(&secret, &DeleteParams::default()).await;
        deleted.unwrap();
        platform
            .comes_to(name, "Stalled", "True", "CredentialsLost")
            .await;
        let deleted = platform
            .tenants()
            .delete(name, &DeleteParams::default())
            .await;
        deleted.unwrap();
    }
    for (name, (record, _)) in ["restored", "let-go"].into_iter().zip(&had) {
        let told = platform
            .comes_to(name, "DeletionBlocked", "True", "Deleting")
            .await;
        let message = condition(&told, "DeletionBlocked").unwrap().message;
        for said in [
            &format!("Secret `tenant-{name}` is gone"),
            "restore it from a backup",
            "spec.deletionPolicy: Retain",
        ] {
            assert!(message.contains(said), "{message}");
        }
        assert_eq!(platform.outside(record).await, Outside::ALL);
    }
    let [(restored, backup), (let_go, _)] = &had[..] else {
        panic!("two tenants");
    };
    restore(&secrets, backup).await;
    platform.remove("restored").await;
    assert_eq!(platform.outside(restored).await, Outside::NOTHING);
    assert!(is_untouched(&platform, "restored").await);
    platform
        .change("let-go", json!({"deletionPolicy": "Retain"}))
        .await;
    platform.remove("let-go").await;
    assert_eq!(platform.outside(let_go).await, Outside::ALL);
    operator.stop().await;
}

/// Puts a Secret back as `kubectl apply` of a backup does.
async fn restore(secrets: &Api<Secret>, backup: &Secret) {
    let mut secret = backup.clone();
    secret.metadata.resource_version = None;
    secret.metadata.uid = None;
    secret.metadata.managed_fields = None;
    let parameters = PatchParams::apply("restore").force();
    let restored = secrets
        .patch(&secret.name_any(), &parameters, &Patch::Apply(&secret))
        .await;
    restored.unwrap();
}
