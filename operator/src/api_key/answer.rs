//! What the tenant's runtime has said about a key.

use albatross_crds::ApiKey;

use crate::context::Context;
use crate::context::key_ring::Key;
use crate::context::runtime::{Answer, ApiKeyState};

/// Whether the runtime has said that the key works. All its pods look keys up in one table, and none can have noted
/// that there is no such key, since nobody has had it: what one pod knows, all know.
pub fn is_registered(owner: &ApiKey, key: &Key, ctx: &Context) -> bool {
    state(owner, key, ctx) == Some(ApiKeyState::Active)
}

/// Whether the runtime has said that the key never works again.
pub fn is_revoked(owner: &ApiKey, key: &Key, ctx: &Context) -> bool {
    state(owner, key, ctx) == Some(ApiKeyState::Revoked)
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
fn state(owner: &ApiKey, key: &Key, ctx: &Context) -> Option<ApiKeyState> {
    let answer = last(owner, ctx)?;
    let mut known = answer.api_keys.iter();
    known
        .find(|known| known.key_id == key.id)
        .map(|known| known.state)
}

/// What the runtime answered last, if it took what it was told.
fn last(owner: &ApiKey, ctx: &Context) -> Option<Answer> {
    let memory = ctx.memory.of(&owner.spec.tenant_ref.name);
    memory.answer.as_deref()?.as_ref().ok().cloned()
}
