//! What a tenant has that no other one can have meanwhile.

use k8s_openapi::api::core::v1::Secret;

use crate::context::record::TenantRecord;
use crate::names;

/// As its record says, whatever else is in that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    pub host: Option<String>,
    /// The PostgreSQL server that its data is on.
    pub postgres: Option<String>,
    /// So many connections to it.
    pub connections: Option<i32>,
    /// Its Tenant was deleted, or is being: nothing of this is in use for longer than that takes.
    pub is_retained: bool,
}

impl Holdings {
    pub fn of(record: &TenantRecord) -> Self {
        Self {
            host: record.host.clone(),
            postgres: Some(record.servers.postgres.clone()),
            connections: record.connections,
            is_retained: record.retained_at.is_some(),
        }
    }

    /// Of a record that need not be whole.
    pub fn read(secret: &Secret) -> Self {
        let annotations = secret.metadata.annotations.as_ref();
        let text = |key: &str| {
            let bytes = secret.data.as_ref()?.get(key)?;
            String::from_utf8(bytes.0.clone()).ok()
        };
        Self {
            host: text("host"),
            postgres: text("postgresServer"),
            connections: text("connections").and_then(|text| text.parse().ok()),
            is_retained: annotations.is_some_and(|it| it.contains_key(names::RETAINED_ANNOTATION)),
        }
    }

    pub fn serves(&self, host: &str) -> bool {
        self.host.as_deref() == Some(host)
    }
}
