//! Reads everything that a reconciliation looks at, from the caches where possible.

use std::collections::BTreeMap;
use std::sync::Arc;

use albatross_crds::Tenant;
use albatross_crds::tenant_namespace;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{Api, ResourceExt};

use crate::context::Context;
use crate::context::record::{TenantRecord, Unreadable};
use crate::names;

/// The world around one tenant.
#[derive(Debug, Clone)]
pub struct World {
    pub record: Record,
    pub surroundings: Surroundings,
}

/// The tenant's authoritative Secret.
#[derive(Debug, Clone)]
pub enum Record {
    Absent,
    Present(Box<TenantRecord>),
    Unreadable(Unreadable),
}

/// What others have, and what is in the way.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Another tenant, which has the host that this one wants.
    pub host_taken_by: Option<String>,
    /// The tenant's namespace exists and carries another identity, or none.
    pub namespace_is_foreign: bool,
    pub namespace_is_terminating: bool,
    /// Where the record of the tenant to adopt lies, if not under this tenant's name.
    pub adopted: Option<Elsewhere>,
    /// Connections that other tenants have, by PostgreSQL server; for who wants more than it has.
    pub reserved: BTreeMap<String, i32>,
}

/// A record under the name of another tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    pub tenant: String,
    /// Whether that tenant was deleted and its data kept.
    pub retained: bool,
}

/// Reads the record and the namespace. What other tenants have is looked at in turn.
#[tracing::instrument(name = "dereference", level = "debug", skip_all)]
pub async fn read(tenant: &Tenant, ctx: &Context) -> Result<World, kube::Error> {
    let record = record(&tenant.name_any(), ctx).await?;
    let namespace = namespace(tenant, ctx).await?;
    Ok(World {
        surroundings: Surroundings {
            namespace_is_foreign: namespace
                .as_ref()
                .is_some_and(|namespace| !is_ours(namespace, &record)),
            namespace_is_terminating: namespace
                .is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_some()),
            adopted: adopted_elsewhere(tenant, ctx),
            host_taken_by: None,
            reserved: BTreeMap::new(),
        },
        record,
    })
}

/// The record as last written by this process, else as cached, else as it is: a cache that lags must not make a
/// second one.
pub async fn record(tenant: &str, ctx: &Context) -> Result<Record, kube::Error> {
    let name = names::record_secret(tenant);
    let cached = ctx.caches.secret(&ctx.namespace, &name);
    if let Some(cached) = &cached
        && let Some(remembered) = remembered(tenant, cached, ctx)
    {
        return Ok(Record::Present(Box::new((*remembered).clone())));
    }
    let secret = match cached {
        Some(secret) => Some((*secret).clone()),
        None => {
            let api: Api<Secret> = Api::namespaced(ctx.client.clone(), &ctx.namespace);
            api.get_opt(&name).await?
        }
    };
    Ok(match secret.as_ref().map(TenantRecord::from_secret) {
        None => Record::Absent,
        Some(Ok(record)) => Record::Present(Box::new(record)),
        Some(Err(cause)) => Record::Unreadable(cause),
    })
}

/// As last written by this process, if the cache does not show it yet.
pub fn remembered(tenant: &str, cached: &Secret, ctx: &Context) -> Option<Arc<TenantRecord>> {
    let remembered = ctx.memory.record(tenant)?;
    let (ours, shown) = (
        &remembered.resource_version,
        &cached.metadata.resource_version,
    );
    newer(ours, shown).then_some(remembered)
}

async fn namespace(tenant: &Tenant, ctx: &Context) -> Result<Option<Arc<Namespace>>, kube::Error> {
    let name = tenant_namespace(&tenant.name_any());
    if let Some(cached) = ctx.caches.namespace(&name) {
        return Ok(Some(cached));
    }
    // What does not carry our label is not in the cache, and still in the way.
    let api: Api<Namespace> = Api::all(ctx.client.clone());
    Ok(api.get_opt(&name).await?.map(Arc::new))
}

fn is_ours(namespace: &Namespace, record: &Record) -> bool {
    let Record::Present(record) = record else {
        return false;
    };
    namespace.annotations().get(names::TENANT_ID_ANNOTATION) == Some(&record.tenant_id.to_string())
}

fn adopted_elsewhere(tenant: &Tenant, ctx: &Context) -> Option<Elsewhere> {
    let id = tenant.spec.bootstrap.as_ref()?.adopt.as_ref()?;
    let own = names::record_secret(&tenant.name_any());
    let is_it = |secret: &Secret| {
        let of = secret.annotations().get(names::TENANT_ID_ANNOTATION);
        of == Some(id) && secret.name_any() != own
    };
    let found = ctx.caches.secrets.state_filter(is_it).pop()?;
    Some(Elsewhere {
        tenant: found.labels().get(names::TENANT_LABEL)?.clone(),
        retained: found.annotations().contains_key(names::RETAINED_ANNOTATION),
    })
}

/// Resource versions of one object are comparable as numbers.
fn newer(one: &Option<String>, other: &Option<String>) -> bool {
    let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<u64>().ok());
    number(one) > number(other)
}
