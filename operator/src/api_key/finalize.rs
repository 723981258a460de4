//! The end of an ApiKey: its key no longer works, and its Secrets are gone. A runtime that is gone is not waited for, unless
//! nobody tells it anything at present: it may come back, and let the key in.

use albatross_crds::ApiKey;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject};
use kube::{Api, Resource, ResourceExt};

use crate::api_key::answer::{Standing, held, standing};
use crate::api_key::binding::{is_going, rebind, release};
use crate::api_key::store::{Stored, stored};
use crate::context::Context;
use crate::context::failure::is_forbidden;
use crate::names;

/// How far the end of an ApiKey has come.
pub enum Progress {
    /// The finalizer is off.
    Finished,
    /// The runtime is being told.
    Waiting,
    /// The runtime is not told at present, and the key works, or may again; why.
    Held(String),
}

/// Ends the keys, and lets the ApiKey go once they work no more. `failures` to do so in a row were before.
///
/// # Errors
/// When the API server does not do its part.
pub async fn finalize(
    owner: &ApiKey,
    failures: u32,
    ctx: &Context,
) -> Result<Progress, kube::Error> {
    if !owner
        .finalizers()
        .iter()
        .any(|name| name == names::FINALIZER)
    {
        return Ok(Progress::Finished);
    }
    let tenant = ctx.caches.tenant(&owner.spec.tenant_ref.name);
    let tenant = tenant.filter(|tenant| tenant.meta().deletion_timestamp.is_none());
    let (standing, is_stored) = match stored(owner, ctx).await? {
        Stored::Absent => (Standing::Ended, false),
        Stored::Present(ring) => (standing(owner, Some(&ring), ctx), true),
        Stored::Unreadable(_) => (standing(owner, None, ctx), true),
    };
    // The tenant's state no longer holds the keys; its runtime says so as soon as it has been told.
    if let Some(tenant) = tenant.filter(|_| standing != Standing::Ended) {
        match held(&tenant) {
            // A namespace that goes is not kept; the key ends when the tenant goes on.
            Some(_) if is_going(owner, ctx) => {}
            Some(why) => return Ok(Progress::Held(why)),
            None if standing == Standing::Silent => {}
            None => {
                ctx.triggers.tenant(&owner.spec.tenant_ref.name);
                return Ok(Progress::Waiting);
            }
        }
    }
    let namespace = owner.namespace().unwrap_or_default();
    let secret = &owner.spec.secret_name;
    match remove_published(owner, &namespace, ctx).await {
        // No key was stored before the operator had its right there: somebody has taken that away, and the Secret is left.
        Err(cause) if is_forbidden(&cause) && is_stored => {
            if rebind(owner, ctx).await? {
                return Err(cause);
            }
            tracing::warn!(namespace, "Secret {secret} is left behind: {cause}");
        }
        Err(cause) if is_forbidden(&cause) => {}
        other => other?,
    }
    // Last of the Secrets: it tells that there is another one to be removed.
    if is_stored {
        remove_stored(owner, ctx).await?;
    }
    release(owner, failures, ctx).await?;
    ctx.writer.forget(owner.uid().as_deref());
    Ok(Progress::Finished)
}

/// Deletes the Secret that was made for this ApiKey, and no other.
async fn remove_published(
    owner: &ApiKey,
    namespace: &str,
    ctx: &Context,
) -> Result<(), kube::Error> {
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), namespace);
    let found = api.get_opt(&owner.spec.secret_name).await?;
    let is_its = |secret: &Secret| {
        secret.annotations().get(names::API_KEY_UID_ANNOTATION) == owner.uid().as_ref()
    };
    match found.filter(is_its) {
        Some(secret) => delete(&secret, ctx).await,
        None => Ok(()),
    }
}

/// Its name says whose it is, whatever has become of what is in it.
async fn remove_stored(owner: &ApiKey, ctx: &Context) -> Result<(), kube::Error> {
    let name = names::pending_secret(&owner.uid().unwrap_or_default());
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), &ctx.namespace);
    match api.get_opt(&name).await? {
        Some(secret) => delete(&secret, ctx).await,
        None => Ok(()),
    }
}

async fn delete(secret: &Secret, ctx: &Context) -> Result<(), kube::Error> {
    let resource = ApiResource::erase::<Secret>(&());
    let namespace = secret.namespace().unwrap_or_default();
    let mut object = DynamicObject::new(&secret.name_any(), &resource).within(&namespace);
    object.metadata.uid = secret.uid();
    ctx.writer.delete(&resource, &object).await
}
