//! What every write goes by of what the airline says of itself, as was read not long ago.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

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

/// What was read last, and when.
#[derive(Default)]
pub struct LastDeclared(Mutex<Option<(Instant, Declared)>>);

impl LastDeclared {
    pub fn remember(&self, declared: Declared) {
        *self.last() = Some((Instant::now(), declared));
    }

    pub fn forget(&self) {
        *self.last() = None;
    }

    fn recent(&self) -> Option<Declared> {
        let last = self.last();
        let (read, declared) = last.as_ref()?;
        (read.elapsed() < KNOWN_FOR).then(|| declared.clone())
    }

    fn last(&self) -> MutexGuard<'_, Option<(Instant, Declared)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// # Errors
/// When nothing is known any more and the read model is unavailable.
pub async fn declared(shared: &Shared) -> Result<Declared, ServiceError> {
    if let Some(known) = shared.declared.recent() {
        return Ok(known);
    }
    let row = shared.read_model.get(&TENANTS, shared.tenant.0).await?;
    let tenant = row.map(|row| document::<TenantView>(&TENANTS, row));
    let declared = tenant.transpose()?.map(|tenant| tenant.entity.into());
    let declared: Declared = declared.unwrap_or_default();
    shared.declared.remember(declared.clone());
    Ok(declared)
}
