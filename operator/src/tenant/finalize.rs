//! The end of a tenant: what it has outside the cluster is kept or dropped as declared, and its namespace goes last.

use albatross_crds::conditions::{self, ConditionType, Reason};
use albatross_crds::tenant::{DeletionPolicy, Tenant};
use albatross_crds::tenant_namespace;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{ApiResource, DynamicObject};
use kube::{Api, Resource, ResourceExt};

use crate::config::Acl;
use crate::context::Context;
use crate::context::record::TenantRecord;
use crate::names;
use crate::provision::error::ProvisionError;
use crate::tenant::claim;
use crate::tenant::dereference::{self, Record};
use crate::tenant::error::Error;
use crate::tenant::external;
use crate::tenant::identity;
use crate::tenant::status;

/// How far the deletion has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    Finished,
    /// Something is still going away; its end will trigger the next attempt.
    Waiting,
    /// An external system does not let go; the status names it.
    Blocked,
}

/// Takes the tenant down as far as possible now.
#[tracing::instrument(name = "finalize", level = "debug", skip_all)]
pub async fn finalize(tenant: &Tenant, ctx: &Context) -> Result<Progress, Error> {
    if !tenant
        .finalizers()
        .iter()
        .any(|name| name == names::FINALIZER)
    {
        return Ok(Progress::Finished);
    }
    let generation = tenant.metadata.generation.unwrap_or_default();
    let now = ctx.clock.now();
    let name = tenant.name_any();
    let policy = tenant.spec.deletion_policy;
    let settling = Some((tenant.uid().unwrap_or_default(), policy));
    let is_settled = ctx.memory.of(&name).settled == settling;
    let found = dereference::record(&name, ctx).await?;
    if policy == DeletionPolicy::Delete
        && let Some(cause) = lost(tenant, &found, is_settled, ctx).await?
    {
        return blocked(tenant, &cause, ctx).await;
    }
    let record = match found {
        // A duplicate of a retained tenant has a finalizer too when it comes from a backup: it drops nothing.
        Record::Present(record) => identity::is_own(tenant, &record).then_some(*record),
        // What is not known to be ours is not dropped.
        Record::Absent | Record::Unreadable(_) => None,
    };
    if let Some(mut record) = record.clone()
        && !is_settled
    {
        let settled = match policy {
            DeletionPolicy::Delete => drop_external(&record, ctx).await,
            DeletionPolicy::Retain => Ok(retain(&mut record, &name, ctx).await?),
        };
        if let Err(cause) = settled {
            return blocked(tenant, &cause.to_string(), ctx).await;
        }
        ctx.memory.update(&name, |memory| memory.settled = settling);
    }
    if !namespace_is_gone(&name, record.as_ref(), ctx).await? {
        status::write(tenant, ctx, |status| {
            conditions::remove(&mut status.conditions, ConditionType::DeletionBlocked);
            let message = "the tenant's namespace is being removed";
            status::failing(status, None, Reason::Deleting, message, generation, now);
        })
        .await?;
        return Ok(Progress::Waiting);
    }
    remove_secrets(tenant, record.is_some(), ctx).await?;
    // Before the last call, whose answer may get lost: another tenant of the name begins without memories.
    ctx.writer.forget(tenant.uid().as_deref());
    ctx.writer.forget_namespace(&tenant_namespace(&name));
    ctx.memory.forget(&name);
    ctx.writer.finalizer(tenant, false).await?;
    Ok(Progress::Finished)
}

/// Why nobody knows what there is to drop, if that is so: the record alone says it.
async fn lost(
    tenant: &Tenant,
    found: &Record,
    is_settled: bool,
    ctx: &Context,
) -> Result<Option<String>, Error> {
    let name = tenant.name_any();
    let secret = names::record_secret(&name);
    let cause = match found {
        Record::Present(record) => {
            let known = tenant.status.as_ref().and_then(|it| it.tenant_id.as_ref());
            let id = record.tenant_id.to_string();
            if known.is_none_or(|known| *known == id) {
                return Ok(None);
            }
            format!("the Secret `{secret}` is of another tenant ({id})")
        }
        Record::Unreadable(cause) => cause.to_string(),
        Record::Absent => {
            // It goes after the namespace, and is made before it.
            if is_settled || own_namespace(&name, None, ctx).await?.is_none() {
                return Ok(None);
            }
            format!("the Secret `{secret}` is gone from the operator's namespace")
        }
    };
    Ok(Some(format!(
        "{cause}, so that nobody knows what to drop; restore it from a backup, or drop by hand what status.resources \
         names and set spec.deletionPolicy: Retain"
    )))
}

/// Says what does not let go.
async fn blocked(tenant: &Tenant, cause: &str, ctx: &Context) -> Result<Progress, Error> {
    let generation = tenant.metadata.generation.unwrap_or_default();
    let now = ctx.clock.now();
    status::write(tenant, ctx, |status| {
        let blocked = Some(ConditionType::DeletionBlocked);
        status::failing(status, blocked, Reason::Deleting, cause, generation, now);
    })
    .await?;
    Ok(Progress::Blocked)
}

/// Marks the record, so that nobody takes it for that of a new tenant.
async fn retain(record: &mut TenantRecord, name: &str, ctx: &Context) -> Result<(), Error> {
    if record.retained_at.is_none() {
        record.retained_at = Some(ctx.clock.now().to_string());
        claim::store(record, name, ctx).await?;
    }
    Ok(())
}

/// Drops database, vhost and cache user; each only if it carries the tenant's identity.
async fn drop_external(record: &TenantRecord, ctx: &Context) -> Result<(), ProvisionError> {
    let servers = &ctx.config.servers;
    let gone = |system: &str, name: &str| ProvisionError::Unreachable {
        server: format!("{system} server `{name}`"),
        cause:
            "it is no longer configured; to leave the data there, set spec.deletionPolicy: Retain"
                .to_owned(),
    };
    let placed = &record.servers;
    let postgres = servers
        .postgres_named(Some(&placed.postgres))
        .ok_or_else(|| gone("PostgreSQL", &placed.postgres))?;
    ctx.servers
        .postgres(postgres)
        .await?
        .drop(&external::database(record))
        .await?;
    if let Some(name) = &placed.rabbitmq {
        let rabbitmq = servers
            .rabbitmq_named(Some(name))
            .ok_or_else(|| gone("RabbitMQ", name))?;
        let rabbitmq = ctx.servers.rabbitmq(rabbitmq).await?;
        rabbitmq.drop(&external::vhost(record)).await?;
    }
    if let Some(name) = &placed.redis {
        let redis = servers
            .redis_named(Some(name))
            .ok_or_else(|| gone("Redis", name))?;
        if redis.acl == Acl::Managed {
            let redis = ctx.servers.redis(redis).await?;
            redis.drop(&external::cache_user(record)).await?;
        }
    }
    Ok(())
}

/// The namespace, if it is there and this tenant's.
async fn own_namespace(
    tenant: &str,
    record: Option<&TenantRecord>,
    ctx: &Context,
) -> Result<Option<Namespace>, Error> {
    let api: Api<Namespace> = Api::all(ctx.client.clone());
    let found = api.get_opt(&tenant_namespace(tenant)).await?;
    Ok(found.filter(|namespace| {
        let identity = namespace.annotations().get(names::TENANT_ID_ANNOTATION);
        let label = namespace.labels().get(names::TENANT_LABEL);
        match record {
            Some(record) => identity == Some(&record.tenant_id.to_string()),
            None => identity.is_some() && label.is_some_and(|label| label == tenant),
        }
    }))
}

/// Deletes the namespace if it is this tenant's, and says whether it is gone.
async fn namespace_is_gone(
    tenant: &str,
    record: Option<&TenantRecord>,
    ctx: &Context,
) -> Result<bool, Error> {
    let Some(namespace) = own_namespace(tenant, record, ctx).await? else {
        return Ok(true);
    };
    if namespace.meta().deletion_timestamp.is_none() {
        let resource = ApiResource::erase::<Namespace>(&());
        let mut object = DynamicObject::new(&namespace.name_any(), &resource);
        object.metadata.uid = namespace.uid();
        ctx.writer.delete(&resource, &object).await?;
    }
    Ok(false)
}

/// The record goes only with the data that it opens.
async fn remove_secrets(tenant: &Tenant, has_record: bool, ctx: &Context) -> Result<(), Error> {
    let name = tenant.name_any();
    let mut gone = vec![names::platform_links_secret(&name)];
    if has_record && tenant.spec.deletion_policy == DeletionPolicy::Delete {
        gone.push(names::record_secret(&name));
    }
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), &ctx.namespace);
    let resource = ApiResource::erase::<Secret>(&());
    for secret in gone {
        if let Some(found) = api.get_opt(&secret).await? {
            let mut object = DynamicObject::new(&secret, &resource).within(&ctx.namespace);
            object.metadata.uid = found.uid();
            ctx.writer.delete(&resource, &object).await?;
        }
    }
    Ok(())
}
