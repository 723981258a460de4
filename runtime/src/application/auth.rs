//! Who calls: log-in by password or one-time link, sessions, API keys.

pub mod accounts;
pub mod keys;
pub mod limits;
pub mod principal;
pub mod revocations;
pub mod rows;
pub mod sessions;
pub mod turns;

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;
use uuid::Uuid;

use crate::application::auth::accounts::{Accounts, UserOrder};
use crate::application::auth::keys::KeyCheck;
use crate::application::auth::limits::LogInLimits;
use crate::application::auth::principal::Principal;
use crate::application::auth::rows::password_row;
use crate::application::auth::sessions::Sessions;
use crate::application::error::ServiceError;
use crate::application::identity::Identity;
use crate::application::passwords::{self, Verdict};
use crate::application::secrets::{self, LinkToken};
use crate::application::shared::Shared;
use crate::application::views::UserView;
use crate::domain::ids::UserId;
use crate::domain::refusal::Refusal;
use crate::domain::user::{User, UserCommand, UserStatus};
use crate::ports::credentials::{Credential, CredentialChange, CredentialKind};

/// Nobody's address is longer (RFC 5321).
const MAX_EMAIL_BYTES: usize = 254;

pub struct Auth {
    shared: Arc<Shared>,
    accounts: Arc<Accounts>,
    keys: Arc<KeyCheck>,
    sessions: Sessions,
    limits: LogInLimits,
}

/// Somebody who has just logged in.
pub struct LoggedIn {
    pub user: UserView,
    /// Public half of the cookie.
    session: String,
    /// Value of the session cookie.
    pub cookie: SecretString,
    /// When the session ends unless it is used before.
    pub expires_at: Timestamp,
}

impl Auth {
    pub fn new(shared: Arc<Shared>, accounts: Arc<Accounts>, keys: Arc<KeyCheck>) -> Self {
        Self {
            sessions: Sessions::new(shared.clone()),
            limits: LogInLimits::default(),
            shared,
            accounts,
            keys,
        }
    }

    /// Begins a session by e-mail address and password.
    ///
    /// # Errors
    /// `Unauthenticated` whatever is wrong, after the same time; a refusal while who has the right password awaits approval;
    /// `TooManyRequests`; `Busy`.
    pub async fn log_in(
        &self,
        email: &str,
        password: SecretString,
        client: IpAddr,
    ) -> Result<LoggedIn, ServiceError> {
        self.limits.check_address(client)?;
        if email.len() > MAX_EMAIL_BYTES {
            return Err(ServiceError::Unauthenticated);
        }
        let claim = self.shared.pepper.email_claim(email);
        self.limits.check_account(&claim)?;
        let user = self.shared.events.claim_owner(&claim).await?.map(UserId);
        let stored = match user {
            Some(user) => self.password_of(user).await?,
            None => None,
        };
        let phc = stored.as_ref().map(phc).transpose()?;
        let verdict = self.shared.passwords.verify(password.clone(), phc).await?;
        let (Some(user), Some(stored)) = (user, stored.as_ref()) else {
            return Err(ServiceError::Unauthenticated);
        };
        match verdict {
            Verdict::Wrong => return Err(ServiceError::Unauthenticated),
            Verdict::Right => {}
            Verdict::RightButOutdated => self.rehash(stored, password).await?,
        }
        let logged_in = self.begin(user).await?;
        self.still_set(stored, &logged_in).await?;
        Ok(logged_in)
    }

    /// Whoever changed the password meanwhile ended the sessions that there were: one that began by the old password
    /// just afterwards ends too.
    async fn still_set(
        &self,
        stored: &Credential,
        logged_in: &LoggedIn,
    ) -> Result<(), ServiceError> {
        let now = self.password_of(logged_in.user.id).await?;
        // Hashed anew it is the same password, and keeps the time at which it was set.
        if now.is_some_and(|now| now.created_at == stored.created_at) {
            return Ok(());
        }
        self.sessions.end(&logged_in.session).await?;
        Err(ServiceError::Unauthenticated)
    }

    /// Begins a session by a one-time link; the link is used up.
    pub async fn log_in_with_link(
        &self,
        token: &str,
        client: IpAddr,
    ) -> Result<LoggedIn, ServiceError> {
        self.limits.check_address(client)?;
        let token = LinkToken::parse(token).ok_or(ServiceError::Unauthenticated)?;
        let kind = CredentialKind::LoginLink;
        let stored = self.shared.credentials.credential(kind, token.id()).await?;
        let stored = stored.ok_or(ServiceError::Unauthenticated)?;
        let digest = self.shared.pepper.login_link_digest(&token);
        let ended = stored
            .expires_at
            .is_some_and(|end| end <= self.shared.now());
        // Compared before it is taken: a wrong secret uses up nothing.
        if ended || !secrets::same_digest(&digest, &stored.verifier) {
            return Err(ServiceError::Unauthenticated);
        }
        let logged_in = self.begin(UserId(stored.subject)).await?;
        // Used up once the session is there: whatever ends the user's sessions takes the link along, so that of such a change
        // and this either the session or the link is found.
        let taken = self.shared.credentials.take(kind, token.id()).await?;
        if taken.is_none() {
            self.sessions.end(&logged_in.session).await?;
            return Err(ServiceError::Unauthenticated);
        }
        Ok(logged_in)
    }

    pub async fn log_out(&self, identity: &Identity) -> Result<(), ServiceError> {
        match &identity.session {
            Some(session) => self.sessions.end(&session.id).await,
            None => Ok(()),
        }
    }

    /// Who calls with this session cookie.
    pub async fn by_session(&self, cookie: &str) -> Result<Identity, ServiceError> {
        self.sessions.identify(cookie).await
    }

    /// Who calls with this API key.
    pub async fn by_key(&self, text: &str) -> Result<Identity, ServiceError> {
        self.keys.identify(text).await
    }

    /// Who calls with this API key about a flight, which an expired key may have begun.
    pub async fn by_key_in_flight(
        &self,
        text: &str,
        flight: Uuid,
    ) -> Result<Identity, ServiceError> {
        self.keys.identify_in_flight(text, flight).await
    }

    /// Sets a new password and ends every session; the caller goes on in a new one.
    ///
    /// `current` is not asked for while no password is set, as right after a one-time link.
    pub async fn change_password(
        &self,
        identity: &Identity,
        current: Option<SecretString>,
        new: SecretString,
    ) -> Result<LoggedIn, ServiceError> {
        if identity.session.is_none() {
            let detail = "A key cannot change its owner's password.";
            return Err(Refusal::forbidden("session-required", detail).into());
        }
        let user = identity.user();
        passwords::check_length("/newPassword", &new)?;
        if let Some(stored) = self.password_of(user).await? {
            self.limits.check_account(user.0.as_bytes())?;
            self.check_current(&stored, current).await?;
        }
        let phc = self.shared.passwords.hash(new).await?;
        let set = password_row(user, phc, self.shared.now());
        let mut order = UserOrder::new(user, UserCommand::ChangePassword, identity.actor());
        order.beside.credentials = vec![
            CredentialChange::Put(set.clone()),
            Sessions::end_all(user),
            CredentialChange::DeleteAll {
                kind: CredentialKind::LoginLink,
                subject: user.0,
            },
        ];
        self.accounts.execute(order).await?;
        let logged_in = self.begin(user).await?;
        self.still_set(&set, &logged_in).await?;
        Ok(logged_in)
    }

    async fn check_current(
        &self,
        stored: &Credential,
        current: Option<SecretString>,
    ) -> Result<(), ServiceError> {
        let wrong = || ServiceError::invalid("/currentPassword", "wrong", "Is not the password.");
        let current = current.ok_or_else(wrong)?;
        let phc = phc(stored)?;
        match self.shared.passwords.verify(current, Some(phc)).await? {
            Verdict::Wrong => Err(wrong()),
            Verdict::Right | Verdict::RightButOutdated => Ok(()),
        }
    }

    async fn begin(&self, user: UserId) -> Result<LoggedIn, ServiceError> {
        let principal = Principal::load(&*self.shared.credentials, user).await?;
        match principal.map(|principal| principal.status) {
            Some(UserStatus::Active) => {}
            // Told to nobody who has not proven to be this person.
            Some(UserStatus::Pending) => return Err(awaits_approval().into()),
            Some(UserStatus::Suspended | UserStatus::Erased) | None => {
                return Err(ServiceError::Unauthenticated);
            }
        }
        let view = self.shared.load::<UserId, User>(user.0).await?;
        let view = view.ok_or(ServiceError::Unauthenticated)?;
        let session = self.sessions.begin(user).await?;
        Ok(LoggedIn {
            user: view,
            session: session.used.id,
            cookie: session.cookie,
            expires_at: session.used.expires_at,
        })
    }

    async fn password_of(&self, user: UserId) -> Result<Option<Credential>, ServiceError> {
        let kind = CredentialKind::Password;
        let (credentials, id) = (&self.shared.credentials, user.to_string());
        Ok(credentials.credential(kind, &id).await?)
    }

    /// Never overwrites a password that has been changed meanwhile.
    async fn rehash(
        &self,
        stored: &Credential,
        password: SecretString,
    ) -> Result<(), ServiceError> {
        // A password from before today's length rule keeps its old hash.
        if passwords::check_length("/password", &password).is_err() {
            return Ok(());
        }
        let new = self.shared.passwords.hash(password).await?;
        let (kind, id) = (CredentialKind::Password, &stored.id);
        let old = &stored.verifier;
        let replaced = self
            .shared
            .credentials
            .replace_verifier(kind, id, old, new.as_bytes())
            .await?;
        tracing::debug!(replaced, "password hashed anew with today's parameters");
        Ok(())
    }
}

fn awaits_approval() -> Refusal {
    Refusal::forbidden(
        "awaiting-approval",
        "An admin of the airline has yet to approve this account.",
    )
}

fn phc(row: &Credential) -> Result<&str, ServiceError> {
    std::str::from_utf8(&row.verifier)
        .map_err(|_| ServiceError::Corrupt("a stored password hash is not text".to_owned()))
}
