//! A key is replaced by another: made, known to the runtime, published. Only then does the old one get an end.

use albatross_crds::ApiKey;
use albatross_crds::validation::{KeyEnd, ValidatedApiKey};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::runtime::events::EventType;

use crate::api_key::admit::Admitted;
use crate::api_key::answer::{is_registered, is_revoked};
use crate::api_key::build;
use crate::api_key::place::Place;
use crate::api_key::store::{new_key, store};
use crate::context::Context;
use crate::context::key_ring::{Key, KeyRing};

/// A flight may be finished for a day with the key that it began with. What is not declared any more is revoked, so that
/// a replaced key stays declared for longer.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(25);
/// A rotation waits while so many replaced keys are remembered.
pub const MOST_REPLACED: usize = 48;
/// The overlap of a rotation that is no longer declared when it is finished.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// When the current key is replaced if nobody asks for it earlier.
pub fn next_at(ring: &KeyRing, key: &ValidatedApiKey, now: Timestamp) -> Option<Timestamp> {
    let every = key.rotation.as_ref()?.every?;
    let at = later(ring.current.issued_at, every);
    let has_ended = |end| at >= end || end <= now;
    let never = key.revoked || matches!(key.end, KeyEnd::At(end) if has_ended(end));
    (!never).then_some(at)
}

/// Takes the rotation as far as it can get now. What is in its `place` is the current key, or the next one after a crash.
pub async fn rotate(
    owner: &ApiKey,
    admitted: &Admitted,
    ring: &mut KeyRing,
    place: &mut Place,
    ctx: &Context,
) -> Result<(), kube::Error> {
    let now = ctx.clock.now();
    let is_changed = forget(ring, now) | begin(owner, admitted, ring, place, ctx);
    if is_changed {
        store(owner, ring, ctx).await?;
    }
    let Some(next) = ring.next.clone() else {
        return Ok(());
    };
    if !is_registered(owner, &next, ctx) {
        return Ok(());
    }
    let previous = Some(&ring.current).filter(|key| key.expires_at > now);
    let secret = build::secret(owner, admitted, &next, previous);
    place.fill(&secret, ctx).await?;
    let rotation = admitted.key.rotation.as_ref();
    let overlap = rotation.map_or(OVERLAP, |rotation| rotation.overlap);
    let trigger = rotation.and_then(|rotation| rotation.trigger.clone());
    ring.promote(later(now, overlap), trigger);
    store(owner, ring, ctx).await?;
    tell_rotated(owner, ring, ctx).await;
    Ok(())
}

/// A key is made when it is time, and again when the one that was made is of no use any more.
fn begin(
    owner: &ApiKey,
    admitted: &Admitted,
    ring: &mut KeyRing,
    place: &Place,
    ctx: &Context,
) -> bool {
    let now = ctx.clock.now();
    let is_wanted = match &ring.next {
        None => is_due(ring, &admitted.key, now) && room_at(ring, &admitted.key, now).is_none(),
        Some(next) => {
            is_stale(next, &admitted.key, place.holds(next), now) || is_revoked(owner, next, ctx)
        }
    };
    if is_wanted {
        ring.next = Some(new_key(admitted, ctx));
    }
    is_wanted
}

fn is_due(ring: &KeyRing, key: &ValidatedApiKey, now: Timestamp) -> bool {
    if matches!(key.end, KeyEnd::At(end) if end <= now) {
        return false;
    }
    is_asked_for(ring, key) || next_at(ring, key, now).is_some_and(|at| at <= now)
}

/// Whether the declaration asks for a rotation that has not been done.
pub fn is_asked_for(ring: &KeyRing, key: &ValidatedApiKey) -> bool {
    let trigger = key.rotation.as_ref().and_then(|it| it.trigger.as_ref());
    trigger.is_some() && trigger != ring.trigger.as_ref()
}

/// When the first of too many replaced keys is forgotten, if a rotation that is due waits for that.
pub fn room_at(ring: &KeyRing, key: &ValidatedApiKey, now: Timestamp) -> Option<Timestamp> {
    if ring.replaced.len() < MOST_REPLACED || !is_due(ring, key, now) {
        return None;
    }
    let ends = ring.replaced.iter().map(|replaced| replaced.expires_at);
    ends.min().map(|end| later(end, REMEMBERED))
}

/// A key that waited for so long that it has ended, or would be replaced at once. One that its holder has is not thrown away.
fn is_stale(next: &Key, key: &ValidatedApiKey, is_held: bool, now: Timestamp) -> bool {
    let every = key.rotation.as_ref().and_then(|rotation| rotation.every);
    let is_old = every.is_some_and(|every| later(next.issued_at, every) <= now);
    let has_ended = matches!(key.end, KeyEnd::After(_)) && next.expires_at <= now;
    (is_old && !is_held) || has_ended
}

/// Whatever ended long ago opens nothing, and need not be declared.
fn forget(ring: &mut KeyRing, now: Timestamp) -> bool {
    let before = ring.replaced.len();
    ring.replaced
        .retain(|key| later(key.expires_at, REMEMBERED) > now);
    ring.replaced.len() < before
}

async fn tell_rotated(owner: &ApiKey, ring: &KeyRing, ctx: &Context) {
    let (secret, id) = (&owner.spec.secret_name, &ring.current.id);
    let until = ring.replaced.last().map(|key| (&key.id, key.expires_at));
    let Some((previous, end)) = until else {
        return;
    };
    tracing::info!(
        namespace = owner.namespace(),
        api_key = owner.name_any(),
        key_id = id,
        "rotated"
    );
    let note = format!("key {id} is in Secret {secret}; key {previous} works until {end:.0}");
    let what = (EventType::Normal, "Rotated", "Rotate");
    ctx.events.tell(owner, what, &note).await;
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use albatross_crds::ApiKeySpec;
    use albatross_crds::validation::validate_api_key;
    use serde_json::{Value, json};

    use super::*;

    fn declared(change: Value) -> ValidatedApiKey {
        let mut spec = json!({
            "tenantRef": {"name": "skyways"}, "scopes": ["pireps:read"], "ttl": "90d", "secretName": "acars",
            "rotation": {"every": "30d", "overlap": "1d", "trigger": "a"},
        });
        for (field, value) in change.as_object().unwrap() {
            spec[field] = value.clone();
        }
        let spec: ApiKeySpec = serde_json::from_value(spec).unwrap();
        validate_api_key(&spec).unwrap()
    }

    fn key(days: i64) -> Key {
        Key {
            id: format!("issued on day {days}"),
            text: "albk_".into(),
            issued_at: at(days),
            expires_at: at(days + 90),
        }
    }

    fn at(days: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(days * 24)
    }

    fn ring() -> KeyRing {
        KeyRing::new(key(0), Some("a".to_owned()), None)
    }

    #[test]
    fn a_rotation_is_due_by_time_or_by_another_trigger() {
        let ring = ring();
        let same = declared(json!({}));
        assert_eq!(next_at(&ring, &same, at(1)), Some(at(30)));
        assert!(!is_due(&ring, &same, at(29)));
        assert!(is_due(&ring, &same, at(30)));
        let other = declared(json!({"rotation": {"overlap": "1d", "trigger": "b"}}));
        assert!(is_due(&ring, &other, at(1)));
        assert_eq!(next_at(&ring, &other, at(1)), None);
        // Nobody asks for a rotation by taking the trigger away, nor by bringing the same one back.
        let without = declared(json!({"rotation": {"every": "30d", "overlap": "1d"}}));
        assert!(!is_due(&ring, &without, at(1)));
        assert!(!is_due(&ring, &declared(json!({"rotation": null})), at(80)));
    }

    #[test]
    fn nothing_rotates_beyond_the_end_of_the_declaration() {
        let end = json!({"ttl": null, "expiresAt": at(40).to_string()});
        let until = declared(end);
        let mut ring = ring();
        assert!(is_due(&ring, &until, at(30)));
        assert!(!is_due(&ring, &until, at(40)));
        ring.current.issued_at = at(30);
        assert_eq!(next_at(&ring, &until, at(31)), None);
        let revoked = declared(json!({"revoked": true}));
        assert_eq!(next_at(&ring, &revoked, at(31)), None);
    }

    #[test]
    fn a_key_that_waited_for_too_long_is_of_no_use() {
        let every = declared(json!({}));
        assert!(!is_stale(&key(0), &every, false, at(29)));
        assert!(is_stale(&key(0), &every, false, at(30)));
        let once = declared(json!({"rotation": {"overlap": "1d", "trigger": "b"}}));
        assert!(
            !is_stale(&key(0), &every, true, at(30)),
            "its holder has it"
        );
        assert!(!is_stale(&key(0), &once, false, at(89)));
        assert!(is_stale(&key(0), &once, true, at(90)));
    }

    #[test]
    fn a_rotation_waits_until_the_first_of_too_many_replaced_keys_is_forgotten() {
        let mut ring = ring();
        ring.replaced = (0..48)
            .map(|hour| Key {
                expires_at: at(40) + SignedDuration::from_hours(hour),
                ..key(0)
            })
            .collect();
        let other = declared(json!({"rotation": {"overlap": "1d", "trigger": "b"}}));
        let until = at(41) + SignedDuration::from_hours(1);
        assert_eq!(room_at(&ring, &other, at(41)), Some(until));
        assert_eq!(
            room_at(&ring, &declared(json!({})), at(1)),
            None,
            "nothing is due"
        );
        assert!(forget(&mut ring, until));
        assert_eq!(room_at(&ring, &other, until), None);
    }

    #[test]
    fn a_replaced_key_is_remembered_while_a_flight_may_still_need_it() {
        let mut ring = ring();
        ring.next = Some(key(30));
        ring.promote(at(31), None);
        assert!(!forget(&mut ring, at(32)));
        assert_eq!(ring.replaced.len(), 1);
        assert!(forget(&mut ring, at(33)));
        assert!(ring.replaced.is_empty());
    }
}
