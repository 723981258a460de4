//! Keys whose ApiKey went without the operator's leave: somebody took its finalizer off, or brought it back from a backup as
//! another object. What is stored of them is removed, which ends them.

use albatross_crds::ApiKey;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};

use crate::context::Context;
use crate::names;

/// Removes them all. What cannot be removed now is so the next time.
pub async fn remove(ctx: &Context) {
    for ring in ctx.caches.key_rings() {
        if let Err(cause) = remove_orphan(&ring, ctx).await {
            tracing::warn!(secret = ring.name_any(), %cause, "an ApiKey is gone, and its keys are not removed yet");
        }
    }
}

async fn remove_orphan(ring: &Secret, ctx: &Context) -> Result<(), kube::Error> {
    let reference = ring.annotations().get(names::API_KEY_ANNOTATION);
    let Some((namespace, name)) = reference.and_then(|it| it.split_once('/')) else {
        return Ok(());
    };
    let is_its = |key: &ApiKey| {
        key.uid()
            .is_some_and(|uid| names::pending_secret(&uid) == ring.name_any())
    };
    let cached = ctx
        .caches
        .api_keys
        .get(&ObjectRef::new(name).within(namespace));
    if cached.is_some_and(|key| is_its(&key)) {
        return Ok(());
    }
    // A cache that lags behind ends no key.
    let api: Api<ApiKey> = Api::namespaced(ctx.client.clone(), namespace);
    match api.get(name).await {
        Ok(key) if is_its(&key) => return Ok(()),
        // Without details it is the kind that is not there.
        Err(kube::Error::Api(status)) if status.is_not_found() && status.details.is_some() => {}
        found => drop(found?),
    }
    let resource = ApiResource::erase::<Secret>(&());
    let mut object = DynamicObject::new(&ring.name_any(), &resource).within(&ctx.namespace);
    object.metadata.uid = ring.uid();
    ctx.writer.delete(&resource, &object).await?;
    tracing::info!(
        namespace,
        api_key = name,
        "the ApiKey is gone; its keys end once the runtime is told"
    );
    Ok(())
}
