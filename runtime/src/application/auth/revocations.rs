//! Ends what is open in the name of somebody whose session, key or standing has ended, in every process.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self};
use tokio::time::{Instant, sleep_until};

use crate::application::auth::keys::{key_data, standing};
use crate::application::auth::principal::Principal;
use crate::application::error::ServiceError;
use crate::application::identity::Identity;
use crate::application::shared::Shared;
use crate::domain::ids::UserId;
use crate::domain::user::{UserEvent, UserStatus};
use crate::ports::credentials::CredentialKind;
use crate::ports::event_bus::Hint;

const TOPIC: &str = "revoked";
/// Backstop under notices that were lost.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What proves nothing any more, or not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Revocation {
    /// Public half of the cookie.
    Session(String),
    /// Every session of this user.
    Sessions(UserId),
    Key(String),
    /// Whatever stands for this user.
    User(UserId),
}

impl Revocation {
    /// What an event of this user's account revokes.
    pub fn of(user: UserId, event: &UserEvent) -> Option<Self> {
        Some(match event {
            UserEvent::RolesChanged { .. }
            | UserEvent::Suspended { .. }
            | UserEvent::Reinstated
            | UserEvent::Erased
            | UserEvent::ManagementChanged { managed: true } => Self::User(user),
            UserEvent::PasswordChanged => Self::Sessions(user),
            UserEvent::ApiKeyRevoked { key_id } => Self::Key(key_id.to_string()),
            UserEvent::ApiKeyChanged(grant) => Self::Key(grant.key_id.to_string()),
            _ => return None,
        })
    }

    /// Tells every process, this one too.
    pub async fn tell(&self, shared: &Shared) {
        let body = match serde_json::to_string(self) {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(%error, "a revocation cannot be told; open streams end within a minute");
                return;
            }
        };
        let topic = TOPIC.to_owned();
        let notice = Hint::Notice { topic, body };
        shared.wake_ups.publish(notice).await;
    }

    fn heard(hint: &Hint) -> Option<Self> {
        match hint {
            Hint::Notice { topic, body } if topic == TOPIC => serde_json::from_str(body).ok(),
            _ => None,
        }
    }

    fn ends(&self, identity: &Identity) -> bool {
        let (session, key) = (&identity.session, &identity.person.key);
        match self {
            Self::Session(id) => session.as_ref().is_some_and(|session| session.id == *id),
            Self::Sessions(user) => session.is_some() && identity.user() == *user,
            Self::Key(id) => key.as_ref().is_some_and(|key| key.id.as_str() == id),
            Self::User(user) => identity.user() == *user,
        }
    }
}

/// Waits for the end of what one caller has proven.
pub struct Watch {
    shared: Arc<Shared>,
    identity: Identity,
    hints: broadcast::Receiver<Hint>,
}

impl Watch {
    /// # Errors
    /// `Unauthenticated` when it has ended already.
    pub async fn begin(shared: Arc<Shared>, identity: Identity) -> Result<Self, ServiceError> {
        // Before it is checked: what ends later is certain to be heard.
        let hints = shared.wake_ups.subscribe();
        if !still_holds(&shared, &identity).await? {
            return Err(ServiceError::Unauthenticated);
        }
        Ok(Self {
            shared,
            identity,
            hints,
        })
    }

    /// Returns once the caller is not any more who they were.
    pub async fn ended(mut self) {
        let mut look = Instant::now() + LOOK_EVERY;
        loop {
            let heard = tokio::select! {
                hint = self.hints.recv() => hint,
                () = sleep_until(look) => Err(RecvError::Lagged(0)),
            };
            match heard {
                Ok(hint) => {
                    if Revocation::heard(&hint).is_some_and(|it| it.ends(&self.identity)) {
                        return;
                    }
                }
                Err(RecvError::Closed) => return,
                Err(RecvError::Lagged(_)) => {
                    match still_holds(&self.shared, &self.identity).await {
                        Ok(true) => {}
                        Ok(false) => return,
                        Err(error) => tracing::debug!(%error, "a caller cannot be checked again"),
                    }
                    look = Instant::now() + LOOK_EVERY;
                }
            }
        }
    }
}

/// Whether session or key still are there, and stand for the same rights.
async fn still_holds(shared: &Shared, identity: &Identity) -> Result<bool, ServiceError> {
    let credentials = &*shared.credentials;
    let Some(principal) = Principal::load(credentials, identity.user()).await? else {
        return Ok(false);
    };
    let person = &identity.person;
    let live = async |kind, id: &str| {
        let row = credentials.credential(kind, id).await?;
        let now = shared.now();
        Ok::<_, ServiceError>(row.filter(|row| row.expires_at.is_none_or(|end| end > now)))
    };
    if let Some(key) = &person.key {
        let Some(row) = live(CredentialKind::ApiKey, key.id.as_str()).await? else {
            return Ok(false);
        };
        let same = key_data(&row)?.scopes == key.scopes;
        return Ok(same && standing(principal).is_ok_and(|roles| roles == person.roles));
    }
    if let Some(session) = &identity.session
        && live(CredentialKind::Session, &session.id).await?.is_none()
    {
        return Ok(false);
    }
    Ok(principal.status == UserStatus::Active && principal.roles == person.roles)
}
