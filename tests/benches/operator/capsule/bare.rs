//! A bare client that sends what Capsule has made once more, into other namespaces.

use std::collections::BTreeMap;
use std::time::Duration;

use albatross_tests::wait::until;
use futures::{StreamExt, stream};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::{LimitRange, Namespace, ResourceQuota};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::core::ObjectMeta;
use kube::{Api, Client, ResourceExt};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::capsule::release::{MADE, RULE_STATUS, WEBHOOKS};
use crate::fleet::CREATED_AT_ONCE;

/// By namespace.
type Copies = BTreeMap<String, Vec<(ApiResource, DynamicObject)>>;

/// Returns how long it took. Nobody answers the webhooks any more.
pub async fn send(client: &Client, namespaces: &[String]) -> Duration {
    remove_webhooks(client).await;
    let mut copies = copies(client).await;
    copies.retain(|namespace, _| namespaces.contains(namespace));
    let requests = Semaphore::new(CREATED_AT_ONCE);
    let begun = Instant::now();
    stream::iter(&copies)
        .for_each_concurrent(None, async |(namespace, objects)| {
            let namespace = bare(namespace);
            let turn = requests.acquire().await.unwrap();
            create_namespace(client, &namespace, false).await.unwrap();
            drop(turn);
            for (resource, object) in objects {
                let api: Api<DynamicObject> =
                    Api::namespaced_with(client.clone(), &namespace, resource);
                let _turn = requests.acquire().await.unwrap();
                api.create(&PostParams::default(), object).await.unwrap();
            }
        })
        .await;
    begun.elapsed()
}

async fn remove_webhooks(client: &Client) {
    let parameters = DeleteParams::default();
    let validating = Api::<ValidatingWebhookConfiguration>::all(client.clone());
    validating.delete(WEBHOOKS, &parameters).await.unwrap();
    let mutating = Api::<MutatingWebhookConfiguration>::all(client.clone());
    mutating.delete(WEBHOOKS, &parameters).await.unwrap();
    until("the API server has forgotten them", async || {
        create_namespace(client, "rehearsal", true).await.is_ok()
    })
    .await;
}

async fn copies(client: &Client) -> Copies {
    let resources = [
        RULE_STATUS.resource(),
        ApiResource::erase::<NetworkPolicy>(&()),
        ApiResource::erase::<LimitRange>(&()),
        ApiResource::erase::<ResourceQuota>(&()),
        ApiResource::erase::<RoleBinding>(&()),
    ];
    let made = ListParams::default().labels(MADE);
    let mut copies = Copies::new();
    for resource in resources {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        for object in api.list(&made).await.unwrap() {
            let namespace = object.namespace().unwrap();
            let copies = copies.entry(namespace).or_default();
            copies.push((resource.clone(), copy(object)));
        }
    }
    copies
}

fn copy(mut object: DynamicObject) -> DynamicObject {
    object.metadata = ObjectMeta {
        name: object.metadata.name,
        labels: object.metadata.labels,
        namespace: object.metadata.namespace.as_deref().map(bare),
        ..ObjectMeta::default()
    };
    object
}

async fn create_namespace(client: &Client, name: &str, dry_run: bool) -> kube::Result<Namespace> {
    let namespace = Namespace {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    let parameters = PostParams {
        dry_run,
        ..PostParams::default()
    };
    let api = Api::all(client.clone());
    api.create(&parameters, &namespace).await
}

fn bare(namespace: &str) -> String {
    format!("bare-{namespace}")
}
