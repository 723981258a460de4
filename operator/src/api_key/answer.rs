//! What the tenant's runtime has said about a key.

use albatross_crds::conditions::{self, ConditionStatus, ConditionType, Reason};
use albatross_crds::tenant::{Hibernate, Mode};
use albatross_crds::{ApiKey, Tenant};
use kube::ResourceExt;

use crate::context::Context;
use crate::context::caches::DeploymentState;
use crate::context::key_ring::{Key, KeyRing, known_ids};
use crate::context::runtime::{Answer, ApiKeyState};
use crate::context::upgrade::Images;
use crate::names;

/// Whether the runtime has said that the key works. All its pods look keys up in one table, and none can have noted
/// that there is no such key, since nobody has had it: what one pod knows, all know.
pub fn is_registered(owner: &ApiKey, key: &Key, ctx: &Context) -> bool {
    state(owner, &key.id, ctx) == Some(ApiKeyState::Active)
}

/// Whether the runtime has said that the key never works again.
pub fn is_revoked(owner: &ApiKey, key: &Key, ctx: &Context) -> bool {
    state(owner, &key.id, ctx) == Some(ApiKeyState::Revoked)
}

/// Why the runtime does not register the key, if it has said so.
pub fn refusal(owner: &ApiKey, key: &Key, ctx: &Context) -> Option<String> {
    let answer = last(owner, ctx)?;
    let mut refused = answer.refused_keys.iter();
    refused
        .find(|refused| refused.key_id == key.id)
        .map(|refused| refused.message.clone())
}

/// None before the runtime knows the key.
fn state(owner: &ApiKey, key_id: &str, ctx: &Context) -> Option<ApiKeyState> {
    let answer = last(owner, ctx)?;
    let mut known = answer.api_keys.iter();
    known
        .find(|known| known.key_id == key_id)
        .map(|known| known.state)
}

/// What the runtime answered last, if it took what it was told.
fn last(owner: &ApiKey, ctx: &Context) -> Option<Answer> {
    let memory = ctx.memory.of(&owner.spec.tenant_ref.name);
    memory.answer.as_deref()?.as_ref().ok().cloned()
}

/// Whether the runtime lets any of an ApiKey's keys in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Works,
    Ended,
    /// The runtime does not answer, or its pods may come back that were not told.
    Silent,
    /// This process has not asked yet.
    NotAsked,
}

/// `ring` is none when its Secret cannot be read. Nothing takes back a revocation that was said.
pub fn standing(owner: &ApiKey, ring: Option<&KeyRing>, ctx: &Context) -> Standing {
    match last_standing(owner, ring, ctx) {
        Standing::NotAsked | Standing::Silent if was_revoked(owner) => Standing::Ended,
        known => known,
    }
}

/// Whether the status says that the key was revoked, and works no more.
fn was_revoked(owner: &ApiKey) -> bool {
    let status = owner.status.as_ref();
    let stalled = status.and_then(|it| conditions::find(&it.conditions, ConditionType::Stalled));
    stalled.is_some_and(|it| {
        it.reason == Reason::Revoked.as_str() && it.status == ConditionStatus::True.as_str()
    })
}

/// As far as this process knows.
fn last_standing(owner: &ApiKey, ring: Option<&KeyRing>, ctx: &Context) -> Standing {
    let works = |id: &str| state(owner, id, ctx) == Some(ApiKeyState::Active);
    let tenant = &owner.spec.tenant_ref.name;
    if !ctx.caches.is_served(tenant) {
        // Pods are told before they serve, unless nobody tells anything at present.
        return match may_come_back(tenant, ctx) {
            true => Standing::Silent,
            false => Standing::Ended,
        };
    }
    match ctx.memory.of(tenant).answer.as_deref() {
        None => Standing::NotAsked,
        Some(Err(_)) => Standing::Silent,
        Some(Ok(_)) if known_ids(owner, ring).into_iter().any(works) => Standing::Works,
        Some(Ok(_)) => Standing::Ended,
    }
}

/// Whether pods may serve again that have not been told what is declared now: those of a tenant whose runtime is not told
/// anything at present, unless they were put to rest, since only the operator wakes them.
fn may_come_back(tenant: &str, ctx: &Context) -> bool {
    let declared = ctx.caches.tenant(tenant);
    let record = names::record_secret(tenant);
    let record = ctx.caches.secret(&ctx.namespace, &record);
    let rests = record.is_some_and(|record| Images::of(&record).hibernated);
    let has_pods = |api: DeploymentState| !rests || api.spec.replicas != Some(0);
    declared.is_some_and(|it| held(&it).is_some()) && ctx.caches.api(tenant).is_some_and(has_pods)
}

/// Why the tenant's runtime is not told anything at present, if it is not.
pub fn held(tenant: &Tenant) -> Option<String> {
    let name = tenant.name_any();
    if tenant.spec.suspend {
        return Some(format!("tenant {name} is suspended"));
    }
    if tenant.spec.mode == Mode::Observe {
        return Some(format!("tenant {name} is only observed"));
    }
    let refusal = conditions::refusal(&tenant.status.as_ref()?.conditions)?;
    Some(format!("tenant {name} is refused: {}", refusal.message))
}

/// Why the tenant's runtime hears of no new key at present, if it does not: it is told nothing, or there is none.
pub fn unheard(tenant: &Tenant) -> Option<String> {
    let sleeps = || format!("tenant {} is hibernated", tenant.name_any());
    held(tenant).or_else(|| rests(tenant).then(sleeps))
}

/// Whether the tenant is hibernated, and is to stay so.
pub fn rests(tenant: &Tenant) -> bool {
    let status = tenant.status.as_ref();
    let ready = status.and_then(|it| conditions::find(&it.conditions, ConditionType::Ready));
    let rests = ready.is_some_and(|it| it.reason == Reason::Hibernated.as_str());
    // The status says so for a moment longer than the declaration.
    rests && tenant.spec.hibernate != Hibernate::Never
}
