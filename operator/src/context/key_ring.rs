//! The keys of one ApiKey, before, while and after they are published: one Secret per ApiKey in the operator's namespace.

use std::collections::BTreeMap;

use albatross_crds::ApiKey;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::context::record::Unreadable;
use crate::names;

/// A key and its life.
#[derive(Debug, Clone)]
pub struct Key {
    pub id: String,
    pub text: SecretString,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

/// All keys of an ApiKey that have not ended for good.
#[derive(Debug, Clone)]
pub struct KeyRing {
    pub current: Key,
    /// Whether the holder has been given the current key: a Secret that is gone after that was deleted by hand.
    pub published: bool,
    /// What is to replace the current key. Nobody has it yet.
    pub next: Option<Key>,
    /// What was replaced, oldest first; each expires after its overlap.
    pub replaced: Vec<Key>,
    /// The `rotation.trigger` that was last acted on.
    pub trigger: Option<String>,
    /// Of the Secret that it was read from; none before it is stored.
    pub resource_version: Option<String>,
}

/// A key as the Secret holds it, when it is not the current one.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    key_id: String,
    key: String,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

impl KeyRing {
    /// Of a new ApiKey, or in the place of keys that are lost.
    pub fn new(current: Key, trigger: Option<String>, resource_version: Option<String>) -> Self {
        Self {
            current,
            published: false,
            next: None,
            replaced: Vec::new(),
            trigger,
            resource_version,
        }
    }

    /// Every key that there is.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        let others = self.next.iter().chain(&self.replaced);
        [&self.current].into_iter().chain(others)
    }

    /// The key before the current one, while it is valid.
    pub fn previous(&self, now: Timestamp) -> Option<&Key> {
        self.replaced.last().filter(|key| key.expires_at > now)
    }

    /// The next key becomes the current one, which ends at `end` unless it does so before.
    pub fn promote(&mut self, end: Timestamp, trigger: Option<String>) {
        let Some(next) = self.next.take() else {
            return;
        };
        let mut replaced = std::mem::replace(&mut self.current, next);
        replaced.expires_at = replaced.expires_at.min(end);
        self.replaced.push(replaced);
        self.trigger = trigger.or(self.trigger.take());
    }

    /// The current key and the one that is to replace it end at `end`, those before no later. Says whether anything changed.
    pub fn end_at(&mut self, end: Timestamp) -> bool {
        let alive = [&mut self.current].into_iter().chain(&mut self.next);
        let alive = alive.map(|key| (key, end));
        let replaced = self.replaced.iter_mut().map(|key| {
            let end = key.expires_at.min(end);
            (key, end)
        });
        let mut is_changed = false;
        for (key, end) in alive.chain(replaced) {
            is_changed |= key.expires_at != end;
            key.expires_at = end;
        }
        is_changed
    }

    /// Reads the Secret.
    pub fn from_secret(secret: &Secret) -> Result<Self, Unreadable> {
        let unreadable = |key: &str| Unreadable {
            secret: secret.name_any(),
            key: key.to_owned(),
        };
        let bytes = |key: &str| secret.data.as_ref()?.get(key);
        let text = |key: &str| {
            let text = bytes(key).and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
            text.filter(|text| !text.is_empty())
        };
        let needed = |key: &str| text(key).ok_or_else(|| unreadable(key));
        let time = |key: &str| needed(key)?.parse().map_err(|_| unreadable(key));
        // A Secret of an earlier version holds neither.
        let others = |key: &str| -> Result<Vec<Key>, Unreadable> {
            if bytes(key).is_none() {
                return Ok(Vec::new());
            }
            let keys: Result<Vec<Written>, _> = serde_json::from_str(&needed(key)?);
            let keys = keys.map_err(|_| unreadable(key))?;
            Ok(keys.into_iter().map(Key::from).collect())
        };
        Ok(Self {
            current: Key {
                id: needed("keyId")?,
                text: needed("key")?.into(),
                issued_at: time("issuedAt")?,
                expires_at: time("expiresAt")?,
            },
            published: text("published").as_deref() == Some("true"),
            next: others("next")?.into_iter().next(),
            replaced: others("replaced")?,
            trigger: text("trigger"),
            resource_version: secret.metadata.resource_version.clone(),
        })
    }

    /// The Secret as it is to be stored.
    pub fn to_secret(&self, owner: &ApiKey, namespace: &str) -> Secret {
        let uid = owner.uid().unwrap_or_default();
        let reference = format!(
            "{}/{}",
            owner.namespace().unwrap_or_default(),
            owner.name_any()
        );
        Secret {
            metadata: ObjectMeta {
                name: Some(names::pending_secret(&uid)),
                namespace: Some(namespace.to_owned()),
                labels: Some(BTreeMap::from([(
                    names::TENANT_LABEL.to_owned(),
                    owner.spec.tenant_ref.name.clone(),
                )])),
                annotations: Some(BTreeMap::from([
                    (names::API_KEY_ANNOTATION.to_owned(), reference),
                    (names::API_KEY_UID_ANNOTATION.to_owned(), uid),
                ])),
                resource_version: self.resource_version.clone(),
                ..ObjectMeta::default()
            },
            type_: Some(names::KEY_RING_TYPE.to_owned()),
            data: Some(self.data()),
            ..Secret::default()
        }
    }

    fn data(&self) -> BTreeMap<String, ByteString> {
        let current = &self.current;
        let mut data = vec![
            ("keyId", current.id.clone()),
            ("key", current.text.expose_secret().to_owned()),
            ("issuedAt", current.issued_at.to_string()),
            ("expiresAt", current.expires_at.to_string()),
            ("published", self.published.to_string()),
        ];
        let next = self.next.as_slice();
        for (name, keys) in [("next", next), ("replaced", self.replaced.as_slice())] {
            if !keys.is_empty() {
                let keys: Vec<Written> = keys.iter().map(Written::from).collect();
                data.push((name, serde_json::json!(keys).to_string()));
            }
        }
        data.extend(self.trigger.clone().map(|trigger| ("trigger", trigger)));
        let bytes = data.into_iter();
        bytes
            .map(|(name, text)| (name.to_owned(), ByteString(text.into_bytes())))
            .collect()
    }
}

/// Ids of an ApiKey's keys, or of those that were last seen when its Secret cannot be read.
pub fn known_ids<'a>(api_key: &'a ApiKey, ring: Option<&'a KeyRing>) -> Vec<&'a str> {
    if let Some(ring) = ring {
        return ring.keys().map(|key| key.id.as_str()).collect();
    }
    let status = api_key.status.iter();
    let shown = status.flat_map(|status| [&status.key_id, &status.previous_key_id]);
    shown.flatten().map(String::as_str).collect()
}

impl From<&Key> for Written {
    fn from(key: &Key) -> Self {
        Self {
            key_id: key.id.clone(),
            key: key.text.expose_secret().to_owned(),
            issued_at: key.issued_at,
            expires_at: key.expires_at,
        }
    }
}

impl From<Written> for Key {
    fn from(written: Written) -> Self {
        Self {
            id: written.key_id,
            text: written.key.into(),
            issued_at: written.issued_at,
            expires_at: written.expires_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn key(id: &str) -> Key {
        Key {
            id: id.to_owned(),
            text: format!("albk_{id}").into(),
            issued_at: Timestamp::UNIX_EPOCH,
            expires_at: at(90),
        }
    }

    fn at(days: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(days * 24)
    }

    fn ids(ring: &KeyRing) -> Vec<&str> {
        ring.keys().map(|key| key.id.as_str()).collect()
    }

    #[test]
    fn what_is_stored_is_read_again() {
        let owner = ApiKey::new("acars", albatross_crds::ApiKeySpec::default());
        let mut ring = KeyRing::new(key("a"), None, None);
        let read = KeyRing::from_secret(&ring.to_secret(&owner, "system")).unwrap();
        assert_eq!(ids(&read), ["a"]);
        assert_eq!(read.trigger, None);
        ring.next = Some(key("b"));
        ring.promote(at(30), Some("now".to_owned()));
        ring.next = Some(key("c"));
        let mut secret = ring.to_secret(&owner, "system");
        let read = KeyRing::from_secret(&secret).unwrap();
        assert_eq!(ids(&read), ["b", "c", "a"]);
        assert_eq!(read.trigger.as_deref(), Some("now"));
        assert_eq!(read.replaced[0].expires_at, at(30));
        assert_eq!(read.replaced[0].text.expose_secret(), "albk_a");
        let whole = secret.data.clone();
        for (name, damaged) in [("replaced", "{"), ("key", ""), ("expiresAt", "soon")] {
            secret.data.clone_from(&whole);
            let damaged = ByteString(damaged.as_bytes().to_vec());
            secret
                .data
                .as_mut()
                .unwrap()
                .insert(name.to_owned(), damaged);
            assert_eq!(KeyRing::from_secret(&secret).unwrap_err().key, name);
        }
        secret.data = None;
        assert_eq!(KeyRing::from_secret(&secret).unwrap_err().key, "keyId");
    }

    #[test]
    fn an_end_that_is_moved_is_that_of_every_key_but_of_those_that_end_before() {
        let mut ring = KeyRing::new(key("a"), None, None);
        ring.next = Some(key("b"));
        ring.promote(at(30), None);
        ring.next = Some(key("c"));
        let ends =
            |ring: &KeyRing| -> Vec<Timestamp> { ring.keys().map(|it| it.expires_at).collect() };
        assert!(ring.end_at(at(365)));
        assert_eq!(ends(&ring), [at(365), at(365), at(30)]);
        assert!(!ring.end_at(at(365)));
        assert!(ring.end_at(at(7)));
        assert_eq!(ends(&ring), [at(7); 3]);
    }

    #[test]
    fn a_replaced_key_is_the_previous_one_while_it_is_valid_and_lives_no_longer_than_before() {
        let mut ring = KeyRing::new(key("a"), Some("x".to_owned()), None);
        ring.next = Some(key("b"));
        ring.promote(at(99), None);
        assert_eq!(ring.trigger.as_deref(), Some("x"));
        assert_eq!(ring.replaced[0].expires_at, at(90));
        assert_eq!(ring.previous(at(89)).map(|key| key.id.as_str()), Some("a"));
        assert!(ring.previous(at(90)).is_none());
    }
}
