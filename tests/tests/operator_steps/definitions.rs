//! The definitions of Tenant and ApiKey: nobody deletes them by mistake, and who insists loses no data.

use albatross_tests::platform::{Outside, Platform};
use albatross_tests::wait::{recovered, until};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

use crate::noop::writes;

const DEFINITIONS: [&str; 2] = ["tenants.albatross.aero", "apikeys.albatross.aero"];

#[tokio::test]
async fn definitions_are_not_deleted_by_mistake_and_take_no_data_along_when_they_are() {
    let platform = Platform::new().await;
    let mut operator = platform.operator().await;
    let tenant = platform
        .airline("undefined", json!({"deletionPolicy": "Retain"}))
        .await;
    platform.leave_a_mark("undefined").await;
    let record = platform.record("undefined").await;
    let definitions: Api<CustomResourceDefinition> = Api::all(platform.client.clone());
    is_guarded(&definitions).await;
    let before = writes(&platform);
    for name in DEFINITIONS {
        let refused = definitions.delete(name, &DeleteParams::default()).await;
        assert_eq!(code(refused.err()), 403, "{name}");
        let one = ListParams::default().fields(&format!("metadata.name={name}"));
        let refused = definitions
            .delete_collection(&DeleteParams::default(), &one)
            .await;
        assert_eq!(code(refused.err()), 403, "{name}, in a collection");
    }
    let still = platform.tenant("undefined").await.unwrap();
    assert_eq!(still.metadata.deletion_timestamp, None);
    assert_eq!(writes(&platform)[before.len()..], []);

    // Somebody insists.
    let allow = json!({"metadata": {"annotations": {"albatross.aero/allow-deletion": "true"}}});
    let (parameters, allow) = (PatchParams::default(), Patch::Merge(&allow));
    let allowed = definitions.patch(DEFINITIONS[0], &parameters, &allow).await;
    allowed.unwrap();
    let gone = DeleteParams::default();
    until("the definition may go", async || {
        definitions.delete(DEFINITIONS[0], &gone).await.is_ok()
    })
    .await;
    recovered("the definition is gone", async || {
        let left = definitions.get_opt(DEFINITIONS[0]).await.unwrap();
        left.is_none()
    })
    .await;
    assert_eq!(platform.outside(&record).await, Outside::ALL);
    assert_eq!(platform.record("undefined").await, record);

    platform.install().await;
    recovered("tenants can be declared", async || {
        platform
            .tenants()
            .list(&ListParams::default())
            .await
            .is_ok()
    })
    .await;
    operator.must_live();
    let id = tenant.status.unwrap().tenant_id;
    platform
        .airline("undefined", json!({"bootstrap": {"adopt": id}}))
        .await;
    assert!(platform.has_its_mark("undefined").await);
    platform.remove("undefined").await;
    operator.stop().await;
}

/// The server takes policies into use some time after it has stored them.
async fn is_guarded(definitions: &Api<CustomResourceDefinition>) {
    let dry = DeleteParams {
        dry_run: true,
        ..DeleteParams::default()
    };
    for name in DEFINITIONS {
        until("the definition is guarded", async || {
            code(definitions.delete(name, &dry).await.err()) == 403
        })
        .await;
    }
}

/// Of the API server's refusal; none if it did not refuse.
fn code(error: Option<kube::Error>) -> u16 {
    match error {
        Some(kube::Error::Api(status)) => status.code,
        _ => 0,
    }
}
