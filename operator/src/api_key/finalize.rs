//! The end of an ApiKey: its key no longer works, and its Secrets are gone. A runtime that is gone is not waited for.

use albatross_crds::ApiKey;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Resource, ResourceExt};

use crate::api_key::answer::{Standing, held, standing};
use crate::api_key::store::stored;
use crate::context::Context;
use crate::context::object::dynamic;
use crate::names;

/// ApiKeys that are read at once to find one.
const PAGE: u32 = 100;

/// How far the end of an ApiKey has come.
pub enum Progress {
    /// The finalizer is off.
    Finished,
    /// The runtime is being told.
    Waiting,
    /// The runtime is not told at present, and the key works; why.
    Held(String),
}

/// Ends the keys, and lets the ApiKey go once they work no more.
///
/// # Errors
/// When the API server does not do its part.
pub async fn finalize(owner: &ApiKey, ctx: &Context) -> Result<Progress, kube::Error> {
    if !owner
        .finalizers()
        .iter()
        .any(|name| name == names::FINALIZER)
    {
        return Ok(Progress::Finished);
    }
    let tenant = ctx.caches.tenant(&owner.spec.tenant_ref.name);
    let tenant = tenant.filter(|tenant| tenant.meta().deletion_timestamp.is_none());
    if let Some(ring) = stored(owner, ctx).await? {
        // The tenant's state no longer holds the keys; its runtime says so as soon as it has been told.
        let works = matches!(
            standing(owner, &ring, ctx),
            Standing::Works | Standing::NotAsked
        );
        if let Some(tenant) = tenant.filter(|_| works) {
            match held(&tenant) {
                // A namespace that goes is not kept; the key ends when the tenant goes on.
                Some(_) if is_going(owner, ctx) => {}
                Some(why) => return Ok(Progress::Held(why)),
                None => {
                    ctx.triggers.tenant(&owner.spec.tenant_ref.name);
                    return Ok(Progress::Waiting);
                }
            }
        }
        let name = names::pending_secret(&owner.uid().unwrap_or_default());
        remove(&ctx.namespace, &name, owner, ctx).await?;
    }
    let namespace = owner.namespace().unwrap_or_default();
    match remove(&namespace, &owner.spec.secret_name, owner, ctx).await {
        // Without rights there, nothing is there: they go after what they were for.
        Err(kube::Error::Api(status)) if status.is_forbidden() => {}
        other => other?,
    }
    // Of two that end at once, the later one sees that the earlier one is gone.
    let alone = ctx.client_bindings.lock().await;
    unbind(owner, &namespace, ctx).await?;
    ctx.writer.finalizer(owner, false).await?;
    drop(alone);
    ctx.writer.forget(owner.uid().as_deref());
    Ok(Progress::Finished)
}

/// Gives the right to write Secrets in a client's namespace back after the last ApiKey there. Asked of the API server, since
/// a cache that lags would leave it there for ever.
async fn unbind(owner: &ApiKey, namespace: &str, ctx: &Context) -> Result<(), kube::Error> {
    if is_going(owner, ctx) || is_needed(owner, namespace, ctx).await? {
        return Ok(());
    }
    let api: Api<RoleBinding> = Api::namespaced(ctx.client.clone(), namespace);
    let binding = api.get_opt(names::OPERATOR).await?;
    // A tenant's namespace has a binding of that name too, which is the tenant's.
    let ours = |binding: &RoleBinding| binding.role_ref.name == names::OPERATOR_CLIENT_ROLE;
    let Some(binding) = binding.filter(ours) else {
        return Ok(());
    };
    let resource = ApiResource::erase::<RoleBinding>(&());
    match ctx.writer.delete(&resource, &dynamic(&binding)).await {
        // Somebody made another thing of it; whoever did that may remove it, and the ApiKey does not wait for them.
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            tracing::warn!(namespace, "RoleBinding left behind: {}", status.message);
            Ok(())
        }
        other => other,
    }
}

/// Whether another ApiKey of the namespace has yet to be ended there. One that was never admitted has nothing there.
async fn is_needed(owner: &ApiKey, namespace: &str, ctx: &Context) -> Result<bool, kube::Error> {
    let api: Api<ApiKey> = Api::namespaced(ctx.client.clone(), namespace);
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let keys = api.list_metadata(&page).await?;
        let mut others = keys.items.iter().filter(|key| key.uid() != owner.uid());
        if others.any(|key| key.finalizers().iter().any(|name| name == names::FINALIZER)) {
            return Ok(true);
        }
        match keys.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(false),
        }
    }
}

/// Whether the ApiKey's namespace is being removed.
fn is_going(owner: &ApiKey, ctx: &Context) -> bool {
    let namespace = ctx.caches.namespace(&owner.namespace().unwrap_or_default());
    namespace.is_some_and(|namespace| namespace.meta().deletion_timestamp.is_some())
}

/// Deletes a Secret that was made for this ApiKey, and no other.
async fn remove(
    namespace: &str,
    name: &str,
    owner: &ApiKey,
    ctx: &Context,
) -> Result<(), kube::Error> {
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), namespace);
    let Some(secret) = api.get_opt(name).await? else {
        return Ok(());
    };
    if secret.annotations().get(names::API_KEY_UID_ANNOTATION) != owner.uid().as_ref() {
        return Ok(());
    }
    let resource = ApiResource::erase::<Secret>(&());
    let mut object = DynamicObject::new(name, &resource).within(namespace);
    object.metadata.uid = secret.uid();
    ctx.writer.delete(&resource, &object).await
}
