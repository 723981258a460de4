//! What every write goes by of what the airline says of itself, as was read not long ago.

use std::sync::Arc;
use std::time::Duration;

use crate::application::error::ServiceError;
use crate::application::projections::entities::document;
use crate::application::projections::tables::TENANTS;
use crate::application::shared::Shared;
use crate::application::views::TenantView;
use crate::domain::catalogue::PirepField;
use crate::domain::tenant::{Limits, Tenant};

/// So long another process may go by what was said before.
pub const KNOWN_FOR: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Default)]
pub struct Declared {
    pub limits: Limits,
    /// What its reports hold beside the usual.
    pub fields: Arc<[PirepField]>,
}

impl From<Tenant> for Declared {
    fn from(tenant: Tenant) -> Self {
        Self {
            limits: tenant.profile.limits,
            fields: tenant.pirep_fields.into(),
        }
    }
}

/// # Errors
/// When nothing is known any more and the read model is unavailable.
pub async fn declared(shared: &Shared) -> Result<Declared, ServiceError> {
    if let Some(known) = shared.declared.get(&()).await {
        return Ok(known);
    }
    let row = shared.read_model.get(&TENANTS, shared.tenant.0).await?;
    let tenant = row.map(|row| document::<TenantView>(&TENANTS, row));
    let declared = tenant.transpose()?.map(|tenant| tenant.entity.into());
    let declared: Declared = declared.unwrap_or_default();
    shared.declared.insert((), declared.clone()).await;
    Ok(declared)
}
