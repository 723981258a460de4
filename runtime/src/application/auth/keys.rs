//! API keys: a cached look-up by id, a digest compared in constant time, and coarse last use.

use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use jiff::Timestamp;
use moka::future::Cache as Recent;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::application::auth::principal::Principal;
use crate::application::error::ServiceError;
use crate::application::identity::Identity;
use crate::application::secrets::{self, ApiKeyText};
use crate::application::shared::Shared;
use crate::domain::actor::{KeyUse, Person, RecordedActor};
use crate::domain::ids::{KeyId, UserId};
use crate::domain::roles::{Role, Roles, Scopes};
use crate::domain::user::{GRACE, UserStatus};
use crate::ports::credentials::{Credential, CredentialKind};

/// Backstop when an invalidation was lost.
const KNOWN_FOR: Duration = Duration::from_secs(60);
/// An id that nobody has: short, a key may be issued any moment.
const UNKNOWN_FOR: Duration = Duration::from_secs(5);
/// How coarsely last use is kept.
const TOUCH_EVERY: Duration = Duration::from_secs(60);
const TOUCHED_AT_MOST: u64 = 10_000;

/// Checks the keys that requests carry.
pub struct KeyCheck {
    shared: Arc<Shared>,
    touched: Recent<String, ()>,
}

/// What the cache holds of a key id.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Entry {
    Unknown,
    Known(KnownKey),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KnownKey {
    digest: String,
    user: UserId,
    scopes: Scopes,
    expires_at: Option<Timestamp>,
    principal: Principal,
}

impl KnownKey {
    fn has_ended(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// What `credentials` keeps of a key beside its digest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyData {
    pub scopes: Scopes,
}

impl KeyCheck {
    pub fn new(shared: Arc<Shared>) -> Self {
        let touched = Recent::builder()
            .max_capacity(TOUCHED_AT_MOST)
            .time_to_live(TOUCH_EVERY)
            .build();
        Self { shared, touched }
    }

    /// Who calls with this key.
    ///
    /// # Errors
    /// `Unauthenticated` unless it is a live key of somebody in standing.
    pub async fn identify(&self, text: &str) -> Result<Identity, ServiceError> {
        let (id, known) = self.prove(text).await?;
        if known.has_ended(self.shared.now()) {
            return Err(ServiceError::Unauthenticated);
        }
        self.admit(id, known).await
    }

    /// Who calls with this key about a flight. If the flight began with it, it may have expired since.
    ///
    /// # Errors
    /// `Unauthenticated` as for any other call, and a day after the key's end.
    pub async fn identify_in_flight(
        &self,
        text: &str,
        flight: Uuid,
    ) -> Result<Identity, ServiceError> {
        let (id, known) = self.prove(text).await?;
        let now = self.shared.now();
        if known.has_ended(now) {
            let late = now
                .saturating_sub(GRACE)
                .is_ok_and(|a_day_ago| known.has_ended(a_day_ago));
            if late || !self.began_with(flight, known.user, &id).await? {
                return Err(ServiceError::Unauthenticated);
            }
        }
        self.admit(id, known).await
    }

    /// What is known of the key, if the whole of it is right.
    async fn prove(&self, text: &str) -> Result<(KeyId, KnownKey), ServiceError> {
        let key = ApiKeyText::parse(text).ok_or(ServiceError::Unauthenticated)?;
        let id = KeyId::parse(key.id()).ok_or(ServiceError::Unauthenticated)?;
        let Entry::Known(known) = self.look_up(key.id()).await? else {
            return Err(ServiceError::Unauthenticated);
        };
        let digest = BASE64_STANDARD.encode(self.shared.pepper.api_key_digest(&key));
        if !secrets::same_digest(digest.as_bytes(), known.digest.as_bytes()) {
            return Err(ServiceError::Unauthenticated);
        }
        Ok((id, known))
    }

    async fn admit(&self, id: KeyId, known: KnownKey) -> Result<Identity, ServiceError> {
        let suspended = known.principal.status == UserStatus::Suspended;
        let roles = standing(known.principal)?;
        self.touch(id.as_str()).await;
        Ok(Identity {
            person: Person {
                id: known.user,
                roles,
                key: Some(KeyUse {
                    id,
                    scopes: known.scopes,
                }),
            },
            suspended,
            session: None,
        })
    }

    async fn began_with(
        &self,
        flight: Uuid,
        user: UserId,
        key: &KeyId,
    ) -> Result<bool, ServiceError> {
        let events = self.shared.events.read_stream(flight, 0).await?;
        let first = events
            .first()
            .map(|event| RecordedActor::parse(&event.actor));
        let expected = RecordedActor::User {
            id: user,
            key: Some(key.clone()),
        };
        Ok(first == Some(expected))
    }

    /// Forgets what is known of these keys, everywhere.
    pub async fn forget<'a>(&self, ids: impl IntoIterator<Item = &'a KeyId>, position: i64) {
        for id in ids {
            let key = cache_key(id.as_str());
            self.shared.cache.invalidate(&key, position).await;
        }
    }

    async fn look_up(&self, id: &str) -> Result<Entry, ServiceError> {
        let cache_key = cache_key(id);
        if let Some(bytes) = self.shared.cache.get(&cache_key).await
            && let Ok(entry) = serde_json::from_slice(&bytes)
        {
            return Ok(entry);
        }
        // Read before the tables: what changes them later invalidates at a later position. Of the log itself, since
        // what other processes say about its end is a hint.
        let as_of = self.shared.events.head().await?.position;
        let entry = self.load(id).await?;
        let time_to_live = match entry {
            Entry::Known(_) => KNOWN_FOR,
            Entry::Unknown => UNKNOWN_FOR,
        };
        let bytes = serde_json::to_vec(&entry).map_err(|error| corrupt(id, &error))?;
        self.shared
            .cache
            .fill(&cache_key, Bytes::from(bytes), as_of, time_to_live)
            .await;
        Ok(entry)
    }

    async fn load(&self, id: &str) -> Result<Entry, ServiceError> {
        let kind = CredentialKind::ApiKey;
        let Some(row) = self.shared.credentials.credential(kind, id).await? else {
            return Ok(Entry::Unknown);
        };
        let user = UserId(row.subject);
        let Some(principal) = Principal::load(&*self.shared.credentials, user).await? else {
            return Ok(Entry::Unknown);
        };
        let data = key_data(&row)?;
        Ok(Entry::Known(KnownKey {
            digest: BASE64_STANDARD.encode(&row.verifier),
            user,
            scopes: data.scopes,
            expires_at: row.expires_at,
            principal,
        }))
    }

    /// Last use is a convenience: writing it down never delays or fails a request.
    async fn touch(&self, id: &str) {
        if self.touched.contains_key(id) {
            return;
        }
        self.touched.insert(id.to_owned(), ()).await;
        let (credentials, id) = (Arc::clone(&self.shared.credentials), id.to_owned());
        let now = self.shared.now();
        tokio::spawn(async move {
            if let Err(error) = credentials.touch(CredentialKind::ApiKey, &id, now).await {
                tracing::warn!(%error, "a key's last use was not noted");
            }
        });
    }
}

/// What is stored of a key's rights.
pub fn key_data(row: &Credential) -> Result<KeyData, ServiceError> {
    serde_json::from_value(row.data.clone()).map_err(|error| corrupt(&row.id, &error))
}

/// A suspended pilot's programs may finish the flight that has begun: they act as a pilot and no more.
pub fn standing(principal: Principal) -> Result<Roles, ServiceError> {
    match principal.status {
        UserStatus::Active => Ok(principal.roles),
        UserStatus::Suspended => Ok(Role::Pilot.into()),
        UserStatus::Pending | UserStatus::Erased => Err(ServiceError::Unauthenticated),
    }
}

fn cache_key(id: &str) -> String {
    format!("api-key:{id}")
}

fn corrupt(id: &str, error: &serde_json::Error) -> ServiceError {
    ServiceError::Corrupt(format!("API key {id}: {error}"))
}
