//! What the airline's own admins replace as a whole: ranks, the fields that its reports hold beside the usual, settings.

use std::sync::Arc;

use crate::application::commands::Order;
use crate::application::error::ServiceError;
use crate::application::identity::Identity;
use crate::application::limits;
use crate::application::shared::Shared;
use crate::application::views::TenantView;
use crate::application::write::{WriteOptions, Written};
use crate::domain::catalogue::{PirepField, Rank};
use crate::domain::ids::TenantId;
use crate::domain::tenant::{Settings, Tenant, TenantCommand};

pub struct Lists {
    shared: Arc<Shared>,
}

impl Lists {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Replaces all ranks. The version that was seen is required.
    pub async fn set_ranks(
        &self,
        identity: &Identity,
        ranks: Vec<Rank>,
        options: WriteOptions,
    ) -> Result<Written<TenantView>, ServiceError> {
        let command = TenantCommand::ChangeRanks(ranks);
        self.replace(identity, command, options).await
    }

    /// Replaces all fields; reports keep what they hold. The version that was seen is required.
    pub async fn set_pirep_fields(
        &self,
        identity: &Identity,
        fields: Vec<PirepField>,
        options: WriteOptions,
    ) -> Result<Written<TenantView>, ServiceError> {
        let command = TenantCommand::ChangePirepFields(fields);
        self.replace(identity, command, options).await
    }

    /// Replaces all settings. The version that was seen is required.
    pub async fn set_settings(
        &self,
        identity: &Identity,
        settings: Settings,
        options: WriteOptions,
    ) -> Result<Written<TenantView>, ServiceError> {
        let command = TenantCommand::ChangeSettings(settings);
        self.replace(identity, command, options).await
    }

    async fn replace(
        &self,
        identity: &Identity,
        command: TenantCommand,
        options: WriteOptions,
    ) -> Result<Written<TenantView>, ServiceError> {
        if options.if_match.is_none() {
            return Err(ServiceError::PreconditionRequired);
        }
        let tenant = self.shared.tenant;
        let named = options.idempotency.as_ref();
        let order = Order::<Tenant>::new(tenant, command, identity.actor(), ())
            .expecting(options.if_match)
            .requested(named.map(|named| named.request(false)))
            .correlated(options.correlation_id)
            .unless(limits::full(&self.shared).await);
        let done = self.shared.commands.execute(order).await;
        let written = self
            .shared
            .answer::<TenantId, Tenant>(tenant.0, done)
            .await?;
        // From here on this process goes by it.
        let declared = written.entity.entity.clone().into();
        self.shared.declared.remember(declared);
        Ok(written)
    }
}
