//! A tenant that is only observed: its status says what would be done, and nothing is.

use albatross_crds::tenant::{Action, PlannedChange};
use albatross_tests::api_server::Write;
use albatross_tests::chart::{NAMESPACE, OPERATOR};
use albatross_tests::platform::{Platform, condition};
use albatross_tests::wait::until;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;

const NAME: &str = "seen";

async fn plan(platform: &Platform) -> Vec<PlannedChange> {
    let tenant = platform.tenant(NAME).await.unwrap();
    tenant.status.unwrap().plan
}

/// What is planned for one object.
async fn planned(platform: &Platform, kind: &str, name: &str) -> Option<PlannedChange> {
    let plan = plan(platform).await.into_iter();
    plan.filter(|change| change.kind == kind)
        .find(|change| change.name == name)
}

/// By the operator: neither the Lease, nor an event, nor the tenant's status, nor anything about ApiKeys.
fn writes(platform: &Platform) -> Vec<Write> {
    let told = ["/leases", "/events", "/tenants/seen/status", "/apikeys/"];
    let writes = platform.api_server.writes().into_iter();
    writes
        .filter(|write| write.user == OPERATOR)
        .filter(|write| !told.iter().any(|path| write.path.contains(path)))
        .collect()
}

#[tokio::test]
async fn a_tenant_that_is_observed_from_the_start_claims_nothing() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let before = writes(&platform).len();
    let observe = json!({"mode": "Observe"});
    platform.declare(NAME, observe).await;
    let tenant = platform.comes_to(NAME, "Ready", "False", "Observing").await;
    for (kind, name) in [
        ("Namespace", "albatross-seen"),
        ("Deployment", "api"),
        ("Job", "migrate"),
    ] {
        let found = plan(&platform).await;
        let found = found.iter().find(|change| change.kind == kind).cloned();
        let found = found.unwrap_or_else(|| panic!("{kind} is not planned"));
        assert!(found.name.starts_with(name), "{found:?}");
        assert_eq!(found.action, Action::Create);
    }
    let suspended = condition(&tenant, "Suspended").unwrap();
    assert_eq!(
        (suspended.status.as_str(), suspended.reason.as_str()),
        ("True", "Observing")
    );
    let status = tenant.status.unwrap();
    assert_eq!((status.tenant_id, status.resources.len()), (None, 0));
    assert!(tenant.metadata.finalizers.unwrap_or_default().is_empty());
    let record = platform.secret(NAMESPACE, "tenant-seen").await;
    assert!(record.is_none(), "nothing is claimed");
    let namespaces: Api<Namespace> = Api::all(platform.client.clone());
    let namespace = namespaces.get_opt("albatross-seen").await.unwrap();
    assert!(namespace.is_none());
    assert_eq!(writes(&platform)[before..], []);

    let apply = json!({"mode": "Apply"});
    platform.change(NAME, apply).await;
    platform.ready(NAME).await;
    assert_eq!(plan(&platform).await, []);
    platform.remove(NAME).await;
    operator.stop().await;
}

#[tokio::test]
async fn what_differs_is_planned_by_field_and_left_as_it_is() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let worker = json!({"worker": {"replicas": 1}});
    platform.airline(NAME, worker).await;
    let observe = json!({"mode": "Observe"});
    platform.change(NAME, observe).await;
    let tenant = platform.ready(NAME).await;
    assert_eq!(plan(&platform).await, [], "all is as declared");
    assert!(condition(&tenant, "Suspended").is_some());

    let before = writes(&platform).len();
    let change = json!({
        "api": {"replicas": 3}, "worker": {"replicas": 0},
        "admins": [{"email": "grace@skyways.example", "displayName": "Grace"}],
    });
    platform.change(NAME, change).await;
    platform.comes_to(NAME, "Ready", "False", "Observing").await;
    let api = planned(&platform, "Deployment", "api").await.unwrap();
    assert_eq!(api.action, Action::Change);
    assert!(api.fields.contains(&"spec.replicas".to_owned()), "{api:?}");
    let worker = planned(&platform, "Deployment", "worker").await.unwrap();
    assert_eq!(worker.action, Action::Delete);
    let namespace = "albatross-seen";
    let services: Api<Service> = Api::namespaced(platform.client.clone(), namespace);
    let deleted = services.delete("api", &DeleteParams::default()).await;
    deleted.unwrap();
    until("the missing Service is planned", async || {
        let service = planned(&platform, "Service", "api").await;
        service.is_some_and(|service| service.action == Action::Create)
    })
    .await;
    assert!(services.get_opt("api").await.unwrap().is_none());
    let deployments: Api<Deployment> = Api::namespaced(platform.client.clone(), namespace);
    let replicas = async |name: &str| {
        let deployment = deployments.get(name).await.unwrap();
        deployment.spec.unwrap().replicas
    };
    assert_eq!(
        (replicas("api").await, replicas("worker").await),
        (Some(1), Some(1))
    );
    assert_eq!(writes(&platform)[before..], []);
    let status = json!(platform.tenant(NAME).await).to_string();
    let record = platform.record(NAME).await;
    for secret in ["pepper", "tenantKey", "internalToken", "appPassword"] {
        assert!(
            !status.contains(&record[secret]),
            "{secret} is in the status"
        );
    }

    let apply = json!({"mode": "Apply"});
    platform.change(NAME, apply).await;
    platform.ready(NAME).await;
    assert_eq!(replicas("api").await, Some(3));
    assert!(services.get_opt("api").await.unwrap().is_some());
    assert_eq!(plan(&platform).await, []);
    platform.remove(NAME).await;
    operator.stop().await;
}
