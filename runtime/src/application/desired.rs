//! The operator's desired state: applied level-triggered, numbered, and as often as it likes.

pub mod admins;
pub mod keys;
pub mod model;

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::application::auth::accounts::Accounts;
use crate::application::commands::Order;
use crate::application::desired::admins::Admins;
use crate::application::desired::keys::Keys;
use crate::application::desired::model::{DesiredReport, DesiredState, DesiredTenant};
use crate::application::erased;
use crate::application::error::ServiceError;
use crate::application::projections::lane::Lane;
use crate::application::shared::Shared;
use crate::application::views::TenantView;
use crate::domain::actor::Actor;
use crate::domain::tenant::{Profile, Tenant, TenantCommand};

pub struct Desired {
    shared: Arc<Shared>,
    schema_version: i64,
    admins: Admins,
    keys: Keys,
    /// One application at a time in this process; the log's versions guard against other processes.
    turn: Mutex<()>,
}

#[derive(Debug, thiserror::Error)]
pub enum DesiredError {
    /// A later state has been applied already.
    #[error("state {applied} has been applied already")]
    Outdated { applied: u64 },
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl Desired {
    pub fn new(shared: Arc<Shared>, accounts: Arc<Accounts>, schema_version: i64) -> Self {
        Self {
            admins: Admins::new(shared.clone(), accounts.clone()),
            keys: Keys::new(shared.clone(), accounts),
            shared,
            schema_version,
            turn: Mutex::new(()),
        }
    }

    /// Brings the airline in line with `desired` and says what holds.
    ///
    /// # Errors
    /// `Outdated` when a later state has been applied; nothing is changed then.
    pub async fn apply(&self, desired: DesiredState) -> Result<DesiredReport, DesiredError> {
        let _turn = self.turn.lock().await;
        if let Some(tenant) = self.tenant().await? {
            let applied = tenant.entity.desired_number;
            if desired.number < applied {
                return Err(DesiredError::Outdated { applied });
            }
        }
        self.declare(&desired.tenant).await?;
        self.admins.ensure(&desired.admins).await?;
        let refused_keys = self.keys.ensure(&desired.api_keys).await?;
        // What is managed but not wanted any more is found by a query: it must have seen all of this.
        self.catch_up().await?;
        self.admins.release(&desired.admins).await?;
        self.keys.revoke_unwanted(&desired).await?;
        let number = desired.number;
        self.execute(TenantCommand::RecordDesired { number })
            .await?;
        self.catch_up().await?;
        self.shared.declared.forget();
        tracing::info!(number, "desired state applied");
        Ok(DesiredReport {
            refused_keys,
            ..self.report(number).await?
        })
    }

    /// What of the state that was applied last holds; none before the first.
    pub async fn applied(&self) -> Result<Option<DesiredReport>, ServiceError> {
        match self.number().await? {
            0 => Ok(None),
            number => self.report(number).await.map(Some),
        }
    }

    /// Number of the state that was applied last; 0 before the first.
    pub async fn number(&self) -> Result<u64, ServiceError> {
        let tenant = self.tenant().await?;
        Ok(tenant.map_or(0, |tenant| tenant.entity.desired_number))
    }

    async fn report(&self, number: u64) -> Result<DesiredReport, ServiceError> {
        Ok(DesiredReport {
            number,
            tenant_id: self.shared.tenant.0,
            schema_version: self.schema_version,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            admins: self.admins.report().await?,
            api_keys: self.keys.report().await?,
            refused_keys: Vec::new(),
            erased_digest: erased::digest(&self.shared).await?,
        })
    }

    /// What is declared concerns people alone; flights may lag or have stopped.
    async fn catch_up(&self) -> Result<(), ServiceError> {
        self.shared.projections.catch_up_lane(Lane::People).await
    }

    async fn declare(&self, tenant: &DesiredTenant) -> Result<(), ServiceError> {
        let command = TenantCommand::Declare {
            name: self.shared.name.clone(),
            profile: Profile {
                display_name: tenant.display_name.clone(),
                icao_code: tenant.icao_code.clone(),
                public_url: tenant.public_url.clone(),
                limits: tenant.limits,
            },
        };
        self.execute(command).await
    }

    async fn execute(&self, command: TenantCommand) -> Result<(), ServiceError> {
        let order = Order::<Tenant>::new(self.shared.tenant, command, Actor::Operator, ());
        self.shared.commands.execute(order).await?;
        Ok(())
    }

    async fn tenant(&self) -> Result<Option<TenantView>, ServiceError> {
        self.shared.load(self.shared.tenant.0).await
    }
}
