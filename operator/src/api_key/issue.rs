//! A key's way from being made to being in its holder's hands: stored, known to the runtime, published.

use albatross_crds::ApiKey;
use albatross_crds::conditions::Reason;
use k8s_openapi::api::core::v1::Secret;
use kube::api::DynamicObject;
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource, ResourceExt};

use crate::api_key::admit::Admitted;
use crate::api_key::build;
use crate::context::Context;
use crate::context::object::Wanted;
use crate::context::pending::PendingKey;
use crate::context::runtime::{Answer, ApiKeyState};
use crate::context::token;
use crate::names;

/// How far the key has come.
#[derive(Debug)]
pub enum Issue {
    /// The runtime does not know it yet.
    Registering(PendingKey),
    /// The runtime does not register it; why.
    Refused(PendingKey, String),
    Published(PendingKey),
    /// It was valid once.
    Ended(PendingKey, Reason),
    /// The Secret's name is somebody else's.
    Conflict(String),
}

/// Takes the key as far as it can get now.
pub async fn issue(
    owner: &ApiKey,
    admitted: &Admitted,
    ctx: &Context,
) -> Result<Issue, kube::Error> {
    if !admitted.is_at_home {
        let binding = Wanted::new(&build::operator_binding(owner, &ctx.namespace));
        let live = ctx.caches.live(&binding);
        ctx.writer.apply(&binding, live.as_deref()).await?;
    }
    let published = published(owner, admitted, ctx).await?;
    if let Some(secret) = &published
        && secret.annotations().get(names::API_KEY_UID_ANNOTATION) != owner.uid().as_ref()
    {
        return Ok(Issue::Conflict(format!(
            "spec.secretName: must be free, given \"{}\", which is a Secret that this ApiKey did not make; it is left \
             alone",
            admitted.key.secret_name
        )));
    }
    let mut pending = pending(owner, admitted, published.is_some(), ctx).await?;
    if admitted.key.revoked {
        return Ok(Issue::Ended(pending, Reason::Revoked));
    }
    if pending.expires_at <= ctx.clock.now() {
        return Ok(Issue::Ended(pending, Reason::Expired));
    }
    // What was published has been registered, even if this process has not asked yet.
    let asked = ctx.memory.of(&owner.spec.tenant_ref.name).answer.is_some();
    if !is_registered(owner, &pending, ctx) && (asked || !pending.published) {
        return Ok(match refusal(owner, &pending, ctx) {
            Some(message) => Issue::Refused(pending, message),
            None => Issue::Registering(pending),
        });
    }
    let wanted = Wanted::new(&build::secret(owner, admitted, &pending));
    ctx.writer.apply(&wanted, published.as_ref()).await?;
    if !pending.published {
        pending.published = true;
        store(owner, &mut pending, ctx).await?;
    }
    Ok(Issue::Published(pending))
}

/// Whether the runtime has said that the key works.
pub fn is_registered(owner: &ApiKey, pending: &PendingKey, ctx: &Context) -> bool {
    answered(owner, pending, ctx) == Some(ApiKeyState::Active)
}

/// What the runtime says of the key; none before it knows it.
fn answered(owner: &ApiKey, pending: &PendingKey, ctx: &Context) -> Option<ApiKeyState> {
    let answer = answer(owner, ctx)?;
    let mut known = answer.api_keys.iter();
    known
        .find(|key| key.key_id == pending.id)
        .map(|key| key.state)
}

/// Why the runtime does not register the key, if it has said so.
fn refusal(owner: &ApiKey, pending: &PendingKey, ctx: &Context) -> Option<String> {
    let answer = answer(owner, ctx)?;
    let mut refused = answer.refused_keys.iter();
    refused
        .find(|key| key.key_id == pending.id)
        .map(|key| key.message.clone())
}

/// What the tenant's runtime answered last, if it took what it was told.
fn answer(owner: &ApiKey, ctx: &Context) -> Option<Answer> {
    let memory = ctx.memory.of(&owner.spec.tenant_ref.name);
    memory.answer.as_deref()?.as_ref().ok().cloned()
}

/// The key that there is, or a new one: for a new ApiKey, when a published Secret was deleted by hand, and when the key
/// was revoked because it was not admitted for a while. A revoked key never works again.
async fn pending(
    owner: &ApiKey,
    admitted: &Admitted,
    is_published: bool,
    ctx: &Context,
) -> Result<PendingKey, kube::Error> {
    let found = stored(owner, ctx).await?;
    let replaced = match found {
        Some(found) => {
            let deleted = found.published && !is_published;
            let revoked = answered(owner, &found, ctx) == Some(ApiKeyState::Revoked);
            let ended = admitted.key.revoked || found.expires_at <= ctx.clock.now();
            if ended || !(deleted || revoked) {
                return Ok(found);
            }
            tell_replaced(owner, admitted, deleted, ctx).await;
            found.resource_version
        }
        None => None,
    };
    let token = token::api_key(ctx.entropy.as_ref());
    let issued_at = ctx.clock.now();
    let mut pending = PendingKey {
        id: token.id,
        key: token.text,
        issued_at,
        expires_at: admitted.key.end.of(issued_at),
        published: false,
        resource_version: replaced,
    };
    store(owner, &mut pending, ctx).await?;
    Ok(pending)
}

/// Read from the API server: a cache that lags must not lead to a second key.
pub async fn stored(owner: &ApiKey, ctx: &Context) -> Result<Option<PendingKey>, kube::Error> {
    let name = names::pending_secret(&owner.uid().unwrap_or_default());
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), &ctx.namespace);
    let secret = api.get_opt(&name).await?;
    Ok(secret.as_ref().and_then(PendingKey::from_secret))
}

async fn store(owner: &ApiKey, pending: &mut PendingKey, ctx: &Context) -> Result<(), kube::Error> {
    let secret = pending.to_secret(owner, &ctx.namespace);
    let stored = ctx.writer.store(&secret).await?;
    pending.resource_version = stored.metadata.resource_version;
    Ok(())
}

async fn published(
    owner: &ApiKey,
    admitted: &Admitted,
    ctx: &Context,
) -> Result<Option<DynamicObject>, kube::Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(
        ctx.client.clone(),
        &owner.namespace().unwrap_or_default(),
        &kube::api::ApiResource::erase::<Secret>(&()),
    );
    api.get_opt(&admitted.key.secret_name).await
}

async fn tell_replaced(owner: &ApiKey, admitted: &Admitted, deleted: bool, ctx: &Context) {
    let name = &admitted.key.secret_name;
    let (reason, note) = match deleted {
        true => (
            "SecretDeleted",
            format!("Secret {name} is gone; its key is revoked and a new one is issued"),
        ),
        false => (
            "KeyRevoked",
            format!(
                "the key in Secret {name} was revoked while it was not admitted; a new one is issued"
            ),
        ),
    };
    let event = Event {
        type_: EventType::Warning,
        reason: reason.to_owned(),
        note: Some(note),
        action: "Issue".to_owned(),
        secondary: None,
    };
    if let Err(cause) = ctx.events.publish(&event, &owner.object_ref(&())).await {
        tracing::warn!(%cause, "event not written");
    }
}
