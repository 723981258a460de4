//! A key's way from being made to being in its holder's hands: stored, known to the runtime, published.

use albatross_crds::ApiKey;
use albatross_crds::validation::KeyEnd;
use jiff::Timestamp;
use kube::runtime::events::EventType;

use crate::api_key::admit::Admitted;
use crate::api_key::answer::{
    Standing, held, is_registered, is_revoked, refusal, rests, standing, unheard,
};
use crate::api_key::binding::bind;
use crate::api_key::build;
use crate::api_key::place::Place;
use crate::api_key::rotate::{room_at, rotate};
use crate::api_key::store::{Stored, new_key, store, stored};
use crate::context::Context;
use crate::context::key_ring::KeyRing;
use crate::context::record::Unreadable;

/// How far the key has come.
#[derive(Debug)]
pub enum Issue {
    /// The runtime does not know it yet.
    Registering(KeyRing),
    /// The runtime will not know it before somebody changes its tenant; why.
    Held(KeyRing, String),
    /// The runtime does not register it; why.
    Refused(KeyRing, String),
    /// What the key that is to replace it waits for, if there is one.
    Published(KeyRing, Option<Wait>),
    /// It is to end, and the runtime may still let it in; why the runtime is not told, if it is not. Its Secret may be lost.
    Revoking(Option<KeyRing>, Option<String>),
    /// It was ended on purpose. Its Secret may be lost.
    Revoked(Option<KeyRing>),
    /// It has reached its end; what the key that is to replace it waits for, if there is one.
    Expired(KeyRing, Option<Wait>),
    /// What is stored of it cannot be read.
    Lost(Unreadable),
    /// The Secret's name is somebody else's.
    Conflict(String),
}

/// What a key waits for that is to replace another one.
#[derive(Debug)]
pub enum Wait {
    Registration,
    /// The runtime is told of no key at present; why.
    Tenant(String),
    /// The runtime does not register it; why.
    Refusal(String),
    /// The runtime is not told of the end that is declared now, and keeps to the one before; why.
    End(String),
    /// So many keys were replaced that no other is made before then.
    Room(Timestamp),
}

/// Takes the key as far as it can get now.
pub async fn issue(
    owner: &ApiKey,
    admitted: &Admitted,
    ctx: &Context,
) -> Result<Issue, kube::Error> {
    bind(owner, admitted.is_at_tenants, ctx).await?;
    let mut place = Place::of(owner, admitted, ctx).await?;
    if place.is_taken() {
        return Ok(Issue::Conflict(format!(
            "spec.secretName: must be free, given \"{}\", which is a Secret that this ApiKey did not make; it is left \
             alone",
            admitted.key.secret_name
        )));
    }
    let mut ring = match stored(owner, ctx).await? {
        Stored::Unreadable(_) if admitted.key.revoked => return Ok(revoked(owner, None, ctx)),
        Stored::Unreadable(cause) => return Ok(Issue::Lost(cause)),
        Stored::Present(ring) => kept(owner, admitted, ring, &place, ctx).await?,
        Stored::Absent => new_ring(owner, admitted, None, ctx).await?,
    };
    if admitted.key.revoked {
        return Ok(revoked(owner, Some(ring), ctx));
    }
    if ring.published {
        rotate(owner, admitted, &mut ring, &mut place, ctx).await?;
    }
    let now = ctx.clock.now();
    if ring.current.expires_at <= now {
        let waits = waits(owner, admitted, &ring, ctx);
        return Ok(Issue::Expired(ring, waits));
    }
    if !is_registered(owner, &ring.current, ctx) {
        if let Some(message) = refusal(owner, &ring.current, ctx) {
            return Ok(Issue::Refused(ring, message));
        }
        if let Some(waiting) = unregistered(owner, &ring, ctx) {
            return Ok(waiting);
        }
    }
    let secret = build::secret(owner, admitted, &ring.current, ring.previous(now));
    place.fill(&secret, ctx).await?;
    if !ring.published {
        ring.published = true;
        store(owner, &mut ring, ctx).await?;
    }
    let waits = waits(owner, admitted, &ring, ctx);
    Ok(Issue::Published(ring, waits))
}

/// How far a key is that the runtime has not said to know; none if it may be published nevertheless.
fn unregistered(owner: &ApiKey, ring: &KeyRing, ctx: &Context) -> Option<Issue> {
    let name = &owner.spec.tenant_ref.name;
    let tenant = ctx.caches.tenant(name);
    let sleeps = tenant.as_ref().is_some_and(|tenant| rests(tenant)) && !ctx.caches.is_served(name);
    let held = tenant.and_then(|tenant| held(&tenant));
    let memory = ctx.memory.of(name);
    // What was published was known, even if this process has not asked yet.
    let asked = memory.answer.is_some();
    // Pods that wake are told before they serve, of what they were to know by then.
    let awaited = ring.published || memory.awaited_keys.contains(&ring.current.id);
    match held {
        _ if sleeps && awaited => None,
        Some(why) if !ring.published => Some(Issue::Held(ring.clone(), why)),
        None if asked || !ring.published => Some(Issue::Registering(ring.clone())),
        _ => None,
    }
}

/// Why the key's runtime is not told anything at present, if it is not.
fn why_held(owner: &ApiKey, ctx: &Context) -> Option<String> {
    let tenant = ctx.caches.tenant(&owner.spec.tenant_ref.name);
    tenant.and_then(|tenant| held(&tenant))
}

fn waits(owner: &ApiKey, admitted: &Admitted, ring: &KeyRing, ctx: &Context) -> Option<Wait> {
    let is_new = |end| matches!(admitted.key.end, KeyEnd::At(declared) if declared != end);
    if is_new(ring.current.expires_at)
        && let Some(why) = why_held(owner, ctx)
    {
        return Some(Wait::End(why));
    }
    let now = ctx.clock.now();
    let Some(next) = ring.next.as_ref().filter(|next| next.expires_at > now) else {
        return room_at(ring, &admitted.key, now).map(Wait::Room);
    };
    if let Some(why) = refusal(owner, next, ctx) {
        return Some(Wait::Refusal(why));
    }
    let tenant = ctx.caches.tenant(&owner.spec.tenant_ref.name);
    let why = tenant.and_then(|tenant| unheard(&tenant));
    Some(why.map_or(Wait::Registration, Wait::Tenant))
}

fn revoked(owner: &ApiKey, ring: Option<KeyRing>, ctx: &Context) -> Issue {
    match standing(owner, ring.as_ref(), ctx) {
        Standing::Ended => Issue::Revoked(ring),
        Standing::Works | Standing::NotAsked | Standing::Silent => {
            Issue::Revoking(ring, why_held(owner, ctx))
        }
    }
}

/// The keys that there are, with the end that is declared, or a new one: when a published Secret was deleted by hand, when the
/// key was revoked because it was not admitted for a while, and when its time went by before anybody had it. A revoked key
/// never works again.
async fn kept(
    owner: &ApiKey,
    admitted: &Admitted,
    mut found: KeyRing,
    place: &Place,
    ctx: &Context,
) -> Result<KeyRing, kube::Error> {
    if let KeyEnd::At(end) = admitted.key.end
        && why_held(owner, ctx).is_none()
        && found.end_at(end)
    {
        store(owner, &mut found, ctx).await?;
    }
    let has_ended = found.current.expires_at <= ctx.clock.now();
    let is_unseen = !found.published && place.is_empty();
    let lives_on = matches!(admitted.key.end, KeyEnd::After(_)) && !admitted.key.revoked;
    if has_ended && is_unseen && lives_on {
        return new_ring(owner, admitted, found.resource_version, ctx).await;
    }
    let deleted = found.published && place.is_empty();
    let revoked = is_revoked(owner, &found.current, ctx);
    let ended = admitted.key.revoked || has_ended;
    if ended || !(deleted || revoked) {
        return Ok(found);
    }
    tell_replaced(owner, admitted, deleted, ctx).await;
    new_ring(owner, admitted, found.resource_version, ctx).await
}

/// `replaced`: the version of the Secret whose keys are replaced, if there is one.
async fn new_ring(
    owner: &ApiKey,
    admitted: &Admitted,
    replaced: Option<String>,
    ctx: &Context,
) -> Result<KeyRing, kube::Error> {
    let rotation = admitted.key.rotation.as_ref();
    let trigger = rotation.and_then(|rotation| rotation.trigger.clone());
    let mut ring = KeyRing::new(new_key(admitted, ctx), trigger, replaced);
    store(owner, &mut ring, ctx).await?;
    Ok(ring)
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
    let what = (EventType::Warning, reason, "Issue");
    ctx.events.tell(owner, what, &note).await;
}
