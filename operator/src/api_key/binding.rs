//! The operator's right to write Secrets in a client's namespace, from before the first ApiKey there until after the last.

use albatross_crds::ApiKey;
use albatross_crds::admission::tenant_of;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{ApiResource, ListParams};
use kube::{Api, Resource, ResourceExt};

use crate::api_key::answer::held;
use crate::api_key::build;
use crate::context::Context;
use crate::context::object::{Wanted, dynamic};
use crate::names;

/// ApiKeys that are read at once to find one.
const PAGE: u32 = 100;
/// Failures in a row before a binding that cannot be deleted is left behind: the authorizer hears of a binding after who
/// made it, which is no reason to leave it.
const PATIENCE: u32 = 5;

/// Puts the finalizer on, and binds the operator where it has no right yet. Both at once: who ends here meanwhile sees the
/// finalizer, or has taken the right away before.
///
/// # Errors
/// When the API server does not do its part.
pub async fn bind(owner: &ApiKey, is_at_tenants: bool, ctx: &Context) -> Result<(), kube::Error> {
    let namespace = owner.namespace().unwrap_or_default();
    let _alone = ctx.client_bindings.lock(&namespace).await;
    ctx.writer.finalizer(owner, true).await?;
    if is_at_tenants {
        return Ok(());
    }
    let binding = wanted(owner, ctx);
    // The cache may still show to a new ApiKey what another one has just taken away.
    let live = is_held(owner).then(|| ctx.caches.live(&binding)).flatten();
    ctx.writer.apply(&binding, live.as_ref()).await?;
    Ok(())
}

/// Binds the operator again after somebody took its right away. Says whether it may have it.
///
/// # Errors
/// When the API server does not do its part.
pub async fn rebind(owner: &ApiKey, ctx: &Context) -> Result<bool, kube::Error> {
    let name = owner.namespace().unwrap_or_default();
    let Some(namespace) = ctx
        .caches
        .namespace(&name)
        .filter(|_| !is_going(owner, ctx))
    else {
        return Ok(false);
    };
    if let Some(tenant) = tenant_of(&name, namespace.labels()) {
        // What is bound there is the tenant's, whose own reconciliation puts it right.
        let tenant = ctx.caches.tenant(tenant);
        return Ok(tenant.is_some_and(|tenant| {
            tenant.meta().deletion_timestamp.is_none() && held(&tenant).is_none()
        }));
    }
    let binding = wanted(owner, ctx);
    let live = ctx.caches.live(&binding);
    match ctx.writer.apply(&binding, live.as_ref()).await {
        // The label is off and the cache behind, or somebody made a binding of another role.
        Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(false),
        other => other.map(|_| true),
    }
}

/// Gives the right back after the last ApiKey of the namespace, and takes the finalizer off. `failures` in a row are behind
/// the ApiKey.
///
/// # Errors
/// When the API server does not do its part.
pub async fn release(owner: &ApiKey, failures: u32, ctx: &Context) -> Result<(), kube::Error> {
    let namespace = owner.namespace().unwrap_or_default();
    // Of two that end at once, the later one sees that the earlier one is gone.
    let _alone = ctx.client_bindings.lock(&namespace).await;
    unbind(owner, &namespace, failures, ctx).await?;
    ctx.writer.finalizer(owner, false).await
}

/// Whether the ApiKey's namespace is being removed.
pub fn is_going(owner: &ApiKey, ctx: &Context) -> bool {
    let namespace = ctx.caches.namespace(&owner.namespace().unwrap_or_default());
    namespace.is_some_and(|namespace| namespace.meta().deletion_timestamp.is_some())
}

fn wanted(owner: &ApiKey, ctx: &Context) -> Wanted {
    Wanted::new(&build::operator_binding(owner, &ctx.namespace))
}

async fn unbind(
    owner: &ApiKey,
    namespace: &str,
    failures: u32,
    ctx: &Context,
) -> Result<(), kube::Error> {
    if is_going(owner, ctx) || is_known_to_be_needed(owner, namespace, ctx) {
        return Ok(());
    }
    let api: Api<RoleBinding> = Api::namespaced(ctx.client.clone(), namespace);
    let binding = api.get_opt(names::OPERATOR).await?;
    // A tenant's namespace has a binding of that name too, which is the tenant's.
    let ours = |binding: &RoleBinding| binding.role_ref.name == names::OPERATOR_CLIENT_ROLE;
    let Some(binding) = binding.filter(ours) else {
        return Ok(());
    };
    if is_needed(owner, namespace, ctx).await? {
        return Ok(());
    }
    let resource = ApiResource::erase::<RoleBinding>(&());
    match ctx.writer.delete(&resource, &dynamic(&binding)).await {
        // Somebody made another thing of it; whoever did that may remove it, and the ApiKey does not wait for them.
        Err(kube::Error::Api(status)) if status.is_forbidden() && failures >= PATIENCE => {
            tracing::warn!(namespace, "RoleBinding left behind: {}", status.message);
            Ok(())
        }
        other => other,
    }
}

/// Whether the cache shows another ApiKey with the finalizer, and not its deletion: that is seen there before it is acted
/// upon, and it will ask for itself.
fn is_known_to_be_needed(owner: &ApiKey, namespace: &str, ctx: &Context) -> bool {
    let others = ctx.caches.api_keys.state_filter(|key| {
        key.namespace().as_deref() == Some(namespace)
            && key.uid() != owner.uid()
            && key.meta().deletion_timestamp.is_none()
            && is_held(key)
    });
    !others.is_empty()
}

/// Whether another ApiKey of the namespace has yet to be ended there. One that was never admitted has nothing there. Asked
/// of the API server, since a cache that lags would leave the binding there for ever.
async fn is_needed(owner: &ApiKey, namespace: &str, ctx: &Context) -> Result<bool, kube::Error> {
    let api: Api<ApiKey> = Api::namespaced(ctx.client.clone(), namespace);
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let keys = api.list_metadata(&page).await?;
        let mut others = keys.items.iter().filter(|key| key.uid() != owner.uid());
        if others.any(is_held) {
            return Ok(true);
        }
        match keys.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(false),
        }
    }
}

fn is_held<K: Resource>(key: &K) -> bool {
    key.finalizers().iter().any(|name| name == names::FINALIZER)
}
