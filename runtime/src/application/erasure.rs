//! Erasing a person: the log stays, the key to their texts and all that follows from them goes.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::application::auth::accounts::{Accounts, UserOrder};
use crate::application::auth::principal::Principal;
use crate::application::commands::{CommandError, Done};
use crate::application::detached::to_its_end;
use crate::application::erased::{self, ErasedPage};
use crate::application::error::ServiceError;
use crate::application::identity::Identity;
use crate::application::projections::lane::Lane;
use crate::application::shared::Shared;
use crate::application::views::UserView;
use crate::application::write::{WriteOptions, Written};
use crate::domain::actor::Actor;
use crate::domain::ids::UserId;
use crate::domain::personal::Personal;
use crate::domain::refusal::Refusal;
use crate::domain::roles::{Role, Roles};
use crate::domain::user::{User, UserCommand, UserStatus};
use crate::ports::event_store::ClaimChange;

/// So many keys are looked for at a time.
const CHUNK: usize = 1_000;

#[derive(Clone)]
pub struct Erasure {
    shared: Arc<Shared>,
    accounts: Arc<Accounts>,
}

impl Erasure {
    pub fn new(shared: Arc<Shared>, accounts: Arc<Accounts>) -> Self {
        Self { shared, accounts }
    }

    /// Erases a person for good; whoever is erased already stays so.
    ///
    /// # Errors
    /// A conflict for the last admin, and for whom the operator manages. When the ledger cannot be written the person is
    /// erased all the same: call it again.
    pub async fn erase(
        &self,
        identity: &Identity,
        user: UserId,
        options: WriteOptions,
    ) -> Result<Written<UserView>, ServiceError> {
        let mut order = UserOrder::new(user, UserCommand::Erase, identity.actor());
        order.expected = options.if_match;
        order.correlation_id = options.correlation_id;
        self.carry_out(order).await
    }

    /// The account that an id or an e-mail address names. Who was erased has no address any more.
    ///
    /// # Errors
    /// When the id is something else's, or the log cannot be read.
    pub async fn find(&self, named: &str) -> Result<Option<UserView>, ServiceError> {
        let user = match Uuid::try_parse(named.trim()) {
            Ok(id) => Some(UserId(id)),
            Err(_) => self.accounts.by_email(named).await?,
        };
        match user {
            Some(user) => self.shared.load(user.0).await,
            None => Ok(None),
        }
    }

    /// Erases from the command line whom somebody has seen there.
    ///
    /// # Errors
    /// Those of [`Self::erase`], and `Stale` when the account has changed since.
    pub async fn erase_seen(&self, seen: &UserView) -> Result<Written<UserView>, ServiceError> {
        let user = &seen.entity;
        // The command line may do what the operator may; what is declared would only be made anew.
        if user.managed || user.roles.contains(Role::PlatformAdmin) {
            let detail = "This account is declared: take it out of the manifest first.";
            return Err(Refusal::conflict("managed", detail).into());
        }
        let mut order = UserOrder::new(seen.id, UserCommand::Erase, Actor::CommandLine);
        order.expected = Some(seen.version);
        self.carry_out(order).await
    }

    /// Erases whom the ledger names and the log, restored from an older copy, does not know to be erased; notes whom the
    /// log erased and the ledger does not name.
    ///
    /// # Errors
    /// When log, read model or ledger cannot be read or written. An event that cannot be read is none: it is said whom it
    /// keeps from being erased.
    pub async fn replay(&self, more: impl IntoIterator<Item = Uuid>) -> Result<(), ServiceError> {
        let mut named: BTreeSet<Uuid> = more.into_iter().collect();
        let Some(ledger) = &self.shared.erasures else {
            return self.all_again(&named).await;
        };
        let noted = ledger.all().await?;
        named.extend(&noted);
        // Before people are projected, who would else be shown for as long as an event behind them cannot be read.
        self.all_again(&named).await?;
        named.extend(erased::as_far_as_readable(&self.shared).await?);
        let new = &named - &noted;
        match new.is_empty() {
            true => Ok(()),
            false => Ok(ledger.note(new).await?),
        }
    }

    /// Ids of who has been erased, in ascending order, behind `after`; at most `limit`.
    ///
    /// # Errors
    /// When log or read model cannot be read.
    pub async fn erased(
        &self,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<ErasedPage, ServiceError> {
        erased::page(&self.shared, after, limit).await
    }

    /// Who is erased, or is not in an older log at all, has no key: few are looked at more closely. Nor has whoever was erased
    /// after the moment up to which a log was imported, which the import has seen to.
    async fn all_again(&self, users: &BTreeSet<Uuid>) -> Result<(), ServiceError> {
        let users: Vec<Uuid> = users.iter().copied().collect();
        for some in users.chunks(CHUNK) {
            for key in self.shared.events.subject_keys(some).await? {
                self.again(UserId(key.subject)).await?;
            }
        }
        Ok(())
    }

    /// Erases whom a log of an older moment does not know to be erased.
    ///
    /// # Errors
    /// When log or read model cannot be read or written. What of the log stands against it is said.
    pub async fn again(&self, user: UserId) -> Result<(), ServiceError> {
        let standing = Principal::load(&*self.shared.credentials, user).await?;
        // Whoever the older log does not know has nothing in it.
        let Some(standing) = standing.filter(|it| it.status != UserStatus::Erased) else {
            return Ok(());
        };
        match self.hindered(user, &standing.roles).await? {
            None => tracing::info!(%user, "erased again, after a restore"),
            Some(why) => {
                tracing::error!(%user, why, "was erased before a restore, and cannot be erased again");
            }
        }
        Ok(())
    }

    /// Erases whom the ledger names, or tells what of the log stands against it.
    async fn hindered(&self, user: UserId, roles: &Roles) -> Result<Option<String>, ServiceError> {
        if roles.contains(Role::TenantAdmin) {
            // Admins are counted by what is projected.
            match self.shared.projections.catch_up_lane(Lane::People).await {
                Err(ServiceError::Corrupt(error)) => return Ok(Some(error)),
                done => done?,
            }
        }
        let order = UserOrder::new(user, UserCommand::Erase, Actor::CommandLine);
        match self.execute(order).await {
            Ok(_) => Ok(None),
            Err(CommandError::Refused(refusal)) => Ok(Some(refusal.detail)),
            Err(error) => match error.into() {
                ServiceError::Corrupt(error) => Ok(Some(error)),
                error => Err(error),
            },
        }
    }

    /// With the ledger, though the caller goes away meanwhile.
    async fn carry_out(&self, order: UserOrder) -> Result<Written<UserView>, ServiceError> {
        let (erasure, user) = (self.clone(), order.user.0);
        let done = to_its_end(async move {
            let done = erasure.execute(order).await;
            if done.is_ok() {
                erasure.note(user).await?;
            }
            Ok::<_, ServiceError>(done)
        });
        let done = done.await??;
        self.shared.answer(user, done).await
    }

    /// With the address, which is free for somebody else from then on.
    async fn execute(&self, mut order: UserOrder) -> Result<Done<User>, CommandError> {
        let user = order.user;
        let before = self.shared.commands.load::<User>(user).await?.state;
        let email = before.and_then(|user| user.email);
        if let Some(email) = email.and_then(Personal::into_known) {
            order.beside.claims.push(ClaimChange::Release {
                claim: self.shared.pepper.email_claim(&email),
                owner: user.0,
            });
        }
        let done = self.accounts.execute(order).await?;
        self.shared.reader.forget(user);
        Ok(done)
    }

    async fn note(&self, user: Uuid) -> Result<(), ServiceError> {
        match &self.shared.erasures {
            Some(ledger) => Ok(ledger.note([user].into()).await?),
            None => Ok(()),
        }
    }
}
