//! What may be done with a user's API keys, and by whom.

use crate::domain::actor::Actor;
use crate::domain::aggregate::Context;
use crate::domain::ids::KeyId;
use crate::domain::refusal::{Faults, Refusal};
use crate::domain::roles::{Role, Scope};
use crate::domain::text;
use crate::domain::time;
use crate::domain::user::command::NewApiKey;
use crate::domain::user::event::{ApiKeyGrant, UserEvent};
use crate::domain::user::rules::{self, UserFacts};
use crate::domain::user::state::{ApiKey, MAX_LIVE_KEYS, MAX_OWN_KEYS, User, UserStatus};

type Ctx = Context<UserFacts>;
type Decision = Result<Vec<UserEvent>, Refusal>;

pub fn issue(user: &User, key: &NewApiKey, context: &Ctx) -> Decision {
    rules::own_or_admin(context)?;
    // A key of the hosting team's would lend its rights to whoever issued it.
    if !rules::is_self(context)
        && user.roles.contains(Role::PlatformAdmin)
        && !context.actor.hosts()
    {
        return Err(rules::managed());
    }
    if user.status != UserStatus::Active {
        return Err(Refusal::conflict(
            "not-active",
            format!("The account is {}.", user.status.as_str()),
        ));
    }
    if user.keys.contains_key(&key.key_id) {
        return Err(Refusal::conflict(
            "already-issued",
            "There is such a key already.",
        ));
    }
    check_key(user, key, context)?;
    if user.live_keys(context.now) >= MAX_LIVE_KEYS {
        return Err(Refusal::limit(
            "too-many-keys",
            format!("At most {MAX_LIVE_KEYS} keys at a time: revoke one first."),
        ));
    }
    if user.own_keys() >= MAX_OWN_KEYS {
        return Err(Refusal::limit(
            "too-many-keys-ever",
            format!(
                "An account takes {MAX_OWN_KEYS} keys in all, revoked and expired ones included, and this one had them: keep one, or have one declared."
            ),
        ));
    }
    Ok(vec![UserEvent::ApiKeyIssued(grant(key, false))])
}

/// Brings a declared key into being or in line. Once revoked it stays revoked.
pub fn ensure(user: &User, key: &NewApiKey, context: &Ctx) -> Decision {
    rules::operator_only(context)?;
    check_key(user, key, context)?;
    let wish = grant(key, true);
    Ok(match user.keys.get(&key.key_id) {
        None => vec![UserEvent::ApiKeyIssued(wish)],
        Some(present) if present.revoked_at.is_some() || grants(present, &wish) => Vec::new(),
        Some(_) => vec![UserEvent::ApiKeyChanged(wish)],
    })
}

pub fn revoke(user: &User, key_id: &KeyId, context: &Ctx) -> Decision {
    rules::own_or_admin(context)?;
    let Some(key) = user.keys.get(key_id) else {
        return Err(Refusal::not_found("API key"));
    };
    if key.managed && !context.actor.hosts() {
        return Err(rules::managed());
    }
    if key.revoked_at.is_some() {
        return Ok(Vec::new());
    }
    Ok(vec![UserEvent::ApiKeyRevoked {
        key_id: key_id.clone(),
    }])
}

fn check_key(user: &User, key: &NewApiKey, context: &Ctx) -> Result<(), Refusal> {
    let mut faults = Faults::default();
    text::check_line(&mut faults, "/name", &key.name, text::MAX_NAME);
    faults.check(
        !key.scopes.is_empty(),
        "/scopes",
        "required",
        "A key needs at least one scope.",
    );
    for scope in key.scopes.iter().filter(|s| !may_lend(user, context, **s)) {
        faults.add(
            "/scopes",
            "beyond-owner",
            format!("`{scope}` is more than the key's owner, or whoever issues it, may do."),
        );
    }
    // Declared keys stay declared after they have expired.
    let ended = key.expires_at.is_some_and(|end| end <= context.now);
    faults.check(
        !ended || context.actor.hosts(),
        "/expiresAt",
        "in-the-past",
        "Must lie in the future.",
    );
    // Declared keys stay declared however late they end.
    let end = key.expires_at.filter(|_| !context.actor.hosts());
    time::check(&mut faults, "/expiresAt", end);
    faults.finish()
}

/// A scope needs the owner's role and, if a user issues the key, that user's role and key too.
fn may_lend(owner: &User, context: &Ctx, scope: Scope) -> bool {
    let issuer = match &context.actor {
        Actor::User(person) => person.roles.cover(scope.role()) && person.allows(scope),
        _ => true,
    };
    issuer && owner.roles.cover(scope.role())
}

fn grants(key: &ApiKey, wish: &ApiKeyGrant) -> bool {
    key.name == wish.name
        && key.scopes == wish.scopes
        && key.expires_at == wish.expires_at
        && key.managed == wish.managed
}

fn grant(key: &NewApiKey, managed: bool) -> ApiKeyGrant {
    ApiKeyGrant {
        key_id: key.key_id.clone(),
        name: key.name.as_str().into(),
        scopes: key.scopes.clone(),
        expires_at: key.expires_at,
        managed,
    }
}
