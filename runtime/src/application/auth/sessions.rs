//! Sessions: an opaque cookie, stored as a digest, with an idle and an absolute end.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use moka::future::Cache as Recent;
use secrecy::SecretString;
use serde_json::Value;

use crate::application::auth::principal::Principal;
use crate::application::auth::revocations::Revocation;
use crate::application::detached::to_its_end;
use crate::application::error::ServiceError;
use crate::application::identity::{Identity, SessionUse};
use crate::application::secrets::{self, SessionToken};
use crate::application::shared::Shared;
use crate::domain::actor::Person;
use crate::domain::ids::UserId;
use crate::domain::user::UserStatus;
use crate::ports::credentials::{Credential, CredentialChange, CredentialKind};

const IDLE: SignedDuration = SignedDuration::from_hours(12);
const ABSOLUTE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How coarsely use is noted.
const TOUCH_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// A note that failed is tried again after this.
const TOUCH_AGAIN: SignedDuration = SignedDuration::from_secs(10);
const TOUCHED: u64 = 10_000;

/// The sessions of one airline.
pub struct Sessions {
    shared: Arc<Shared>,
    /// When the last use of a session was noted, or could not be.
    touched: Recent<String, Timestamp>,
}

/// A session that has just begun.
pub struct NewSession {
    /// Value of the cookie.
    pub cookie: SecretString,
    pub used: SessionUse,
}

impl Sessions {
    pub fn new(shared: Arc<Shared>) -> Self {
        let touched = Recent::builder().max_capacity(TOUCHED).build();
        Self { shared, touched }
    }

    /// Begins a session; notes that its user has logged in.
    pub async fn begin(&self, user: UserId) -> Result<NewSession, ServiceError> {
        let now = self.shared.now();
        let token = SessionToken::generate(&*self.shared.entropy);
        let id = token.id().to_owned();
        let session = CredentialChange::Put(Credential {
            kind: CredentialKind::Session,
            id: id.clone(),
            subject: user.0,
            verifier: token.digest().to_vec(),
            data: Value::Null,
            created_at: now,
            expires_at: Some(later(now, ABSOLUTE)),
            last_used_at: Some(now),
        });
        self.shared.credentials.change(vec![session]).await?;
        // Not for convenience: it says that one-time links have done their work.
        let principal = CredentialKind::Principal;
        self.shared
            .credentials
            .touch(principal, &user.to_string(), now)
            .await?;
        Ok(NewSession {
            cookie: token.into_text(),
            used: SessionUse {
                id,
                expires_at: later(now, IDLE),
            },
        })
    }

    /// Who calls with this cookie.
    ///
    /// # Errors
    /// `Unauthenticated` unless the session lives and its user is active.
    pub async fn identify(&self, cookie: &str) -> Result<Identity, ServiceError> {
        let token = SessionToken::parse(cookie).ok_or(ServiceError::Unauthenticated)?;
        let kind = CredentialKind::Session;
        let row = self.shared.credentials.credential(kind, token.id()).await?;
        let row = row.ok_or(ServiceError::Unauthenticated)?;
        let now = self.shared.now();
        let used = row.last_used_at.unwrap_or(row.created_at);
        let ended = later(used, IDLE) <= now || row.expires_at.is_some_and(|end| end <= now);
        if ended || !secrets::same_digest(&token.digest(), &row.verifier) {
            return Err(ServiceError::Unauthenticated);
        }
        let user = UserId(row.subject);
        let principal = Principal::load(&*self.shared.credentials, user).await?;
        let principal = principal.filter(|principal| principal.status == UserStatus::Active);
        let roles = principal.ok_or(ServiceError::Unauthenticated)?.roles;
        if now.duration_since(used) >= TOUCH_EVERY {
            self.touch(&row.id, now).await;
        }
        let idle_end = later(now, IDLE);
        Ok(Identity {
            person: Person {
                id: user,
                roles,
                key: None,
            },
            // Whoever is suspended has no session.
            suspended: false,
            session: Some(SessionUse {
                id: row.id,
                expires_at: row.expires_at.map_or(idle_end, |end| end.min(idle_end)),
            }),
        })
    }

    /// Last use is a convenience: writing it down never delays or fails a request, however many find that it is due.
    async fn touch(&self, id: &str, now: Timestamp) {
        let tried = self.touched.get(id).await;
        if tried.is_some_and(|at| now.duration_since(at) < TOUCH_AGAIN) {
            return;
        }
        self.touched.insert(id.to_owned(), now).await;
        let (credentials, id) = (self.shared.credentials.clone(), id.to_owned());
        tokio::spawn(async move {
            let touched = credentials.touch(CredentialKind::Session, &id, now).await;
            if let Err(error) = touched {
                tracing::warn!(%error, "a session's last use was not noted");
            }
        });
    }

    /// Ends a session, and what is open in its name.
    pub async fn end(&self, id: &str) -> Result<(), ServiceError> {
        let (shared, id) = (self.shared.clone(), id.to_owned());
        let ended = to_its_end(async move {
            let delete = CredentialChange::Delete {
                kind: CredentialKind::Session,
                id: id.clone(),
            };
            shared.credentials.change(vec![delete]).await?;
            Revocation::Session(id).tell(&shared).await;
            Ok(())
        });
        ended.await?
    }

    /// The change that ends every session of a user.
    pub fn end_all(user: UserId) -> CredentialChange {
        CredentialChange::DeleteAll {
            kind: CredentialKind::Session,
            subject: user.0,
        }
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
