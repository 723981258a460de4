//! The Secret beside the operator that holds an ApiKey's keys.

use albatross_crds::ApiKey;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};

use crate::api_key::admit::Admitted;
use crate::context::key_ring::{Key, KeyRing};
use crate::context::record::Unreadable;
use crate::context::{Context, token};
use crate::names;

/// An ApiKey's keys as they are stored.
pub enum Stored {
    Absent,
    Present(KeyRing),
    /// Never a reason to make others.
    Unreadable(Unreadable),
}

/// Read from the API server: a cache that lags must not lead to a second key.
pub async fn stored(owner: &ApiKey, ctx: &Context) -> Result<Stored, kube::Error> {
    let name = names::pending_secret(&owner.uid().unwrap_or_default());
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), &ctx.namespace);
    let secret = api.get_opt(&name).await?;
    Ok(match secret.as_ref().map(KeyRing::from_secret) {
        None => Stored::Absent,
        Some(Ok(ring)) => Stored::Present(ring),
        Some(Err(cause)) => Stored::Unreadable(cause),
    })
}

/// Fails when somebody else has written it since it was read.
pub async fn store(owner: &ApiKey, ring: &mut KeyRing, ctx: &Context) -> Result<(), kube::Error> {
    let secret = ring.to_secret(owner, &ctx.namespace);
    let stored = ctx.writer.store(&secret).await?;
    ring.resource_version = stored.metadata.resource_version;
    Ok(())
}

/// A key that nobody knows yet.
pub fn new_key(admitted: &Admitted, ctx: &Context) -> Key {
    let token = token::api_key(ctx.entropy.as_ref());
    let issued_at = ctx.clock.now();
    Key {
        id: token.id,
        text: token.text,
        issued_at,
        expires_at: admitted.key.end.of(issued_at),
    }
}
