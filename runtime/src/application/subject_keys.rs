//! Data keys of persons, loaded from the log's side table and kept for a moment.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::codec::{DataKey, DecodeError, EncodeError, KEY_LENGTH, KeyRing, TenantKey};
use crate::domain::ids::UserId;
use crate::ports::clock::{Clock, Entropy};
use crate::ports::event_store::{EventStore, StoreError, SubjectKey};

/// How long a key may outlive its erasure by another process.
const KEPT_SECONDS: i64 = 60;
const KEPT_KEYS: usize = 10_000;

/// A data key that is not in the log yet.
pub struct NewSubject {
    /// To be written with the append.
    pub row: SubjectKey,
    pub key: Arc<DataKey>,
}

/// The keys of one tenant's people.
pub struct SubjectKeys {
    store: Arc<dyn EventStore>,
    tenant_key: TenantKey,
    clock: Arc<dyn Clock>,
    kept: RwLock<Kept>,
}

#[derive(Default)]
struct Kept {
    ring: KeyRing,
    since: Option<Timestamp>,
}

/// Why keys could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Unavailable(StoreError),
    #[error("the data key of subject {subject}: {source}")]
    Wrapped {
        subject: UserId,
        source: DecodeError,
    },
}

impl SubjectKeys {
    pub fn new(store: Arc<dyn EventStore>, tenant_key: TenantKey, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            tenant_key,
            clock,
            kept: RwLock::default(),
        }
    }

    /// Works with the keys that are at hand.
    pub fn with<T>(&self, work: impl FnOnce(&KeyRing) -> T) -> T {
        self.drop_old();
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        work(&kept.ring)
    }

    /// The keys that exist among `subjects`; an erased subject has none.
    ///
    /// # Errors
    /// When the store is unavailable or a key was wrapped by another tenant key.
    pub async fn load(&self, subjects: &BTreeSet<UserId>) -> Result<KeyRing, KeyError> {
        let mut ring = KeyRing::default();
        let mut unknown: Vec<Uuid> = Vec::new();
        self.with(|kept| {
            for subject in subjects {
                match kept.get(*subject) {
                    Some(key) => ring.insert(*subject, key.clone()),
                    None => unknown.push(subject.0),
                }
            }
        });
        if unknown.is_empty() {
            return Ok(ring);
        }
        let rows = self.store.subject_keys(&unknown).await;
        for row in rows.map_err(KeyError::Unavailable)? {
            let subject = UserId(row.subject);
            let key = self.tenant_key.unwrap(subject, &row.wrapped);
            let key = key.map_err(|source| KeyError::Wrapped { subject, source })?;
            let key = Arc::new(key);
            self.keep(subject, key.clone());
            ring.insert(subject, key);
        }
        Ok(ring)
    }

    /// A key for somebody who appears for the first time.
    ///
    /// # Errors
    /// Never in practice: when 32 bytes cannot be encrypted.
    pub fn create(
        &self,
        subject: UserId,
        entropy: &dyn Entropy,
    ) -> Result<NewSubject, EncodeError> {
        let mut secret = Zeroizing::new([0; KEY_LENGTH]);
        entropy.fill(secret.as_mut_slice());
        let wrapped = self.tenant_key.wrap(subject, &secret);
        Ok(NewSubject {
            row: SubjectKey {
                subject: subject.0,
                wrapped: wrapped.ok_or(EncodeError::Encryption)?,
            },
            key: Arc::new(DataKey::new(&secret)),
        })
    }

    /// Drops a key that was erased.
    pub fn forget(&self, subject: UserId) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.ring.remove(subject);
    }

    fn keep(&self, subject: UserId, key: Arc<DataKey>) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.ring.len() >= KEPT_KEYS {
            kept.ring.clear();
        }
        kept.since.get_or_insert(self.clock.now());
        kept.ring.insert(subject, key);
    }

    fn drop_old(&self) {
        let now = self.clock.now().as_second();
        let is_old = |kept: &Kept| {
            kept.since
                .is_some_and(|since| now.abs_diff(since.as_second()) >= KEPT_SECONDS.unsigned_abs())
        };
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let old = is_old(&kept);
        drop(kept);
        if old {
            let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
            *kept = Kept::default();
        }
    }
}
