//! Brings the tenant's record up to date before anything is done in its name: identity, names, links, and the number
//! of the state that its runtime is to be in.

use std::collections::BTreeSet;
use std::sync::Arc;

use albatross_crds::Tenant;
use kube::ResourceExt;

use crate::context::Context;
use crate::context::handed::HandedUrls;
use crate::context::record::TenantRecord;
use crate::context::runtime::{AnsweredAdmin, Desired};
use crate::context::token::fingerprint;
use crate::tenant::dereference::Record;
use crate::tenant::desired;
use crate::tenant::error::Error;
use crate::tenant::validate::Plan;

/// A tenant that may be worked on.
#[derive(Debug)]
pub struct Claimed {
    pub record: TenantRecord,
    pub desired: Desired,
}

/// Makes the record, or changes it where the plan asks for it; stores it only when it differs. `serves`: whether a pod
/// can be told what changes.
#[tracing::instrument(name = "claim", level = "debug", skip_all)]
pub async fn claim(
    tenant: &Tenant,
    plan: &Plan,
    found: &Record,
    serves: bool,
    ctx: &Context,
) -> Result<Claimed, Error> {
    let mut record = match found {
        Record::Present(record) => (**record).clone(),
        Record::Absent | Record::Unreadable(_) => {
            TenantRecord::generate(ctx.entropy.as_ref(), plan.servers.names())
        }
    };
    let before = record.to_secret(&plan.tenant.name, &ctx.namespace);
    let is_new = record.resource_version.is_none();
    if record.retained_at.take().is_some() {
        // Whatever happened to it while it was nobody's.
        record.provisioned.clear();
    }
    record.servers = plan.servers.names();
    record.host = Some(plan.tenant.host.clone());
    record.connections = Some(plan.connections);
    let answered = answered_admins(&plan.tenant.name, ctx);
    desired::refresh_links(
        &mut record,
        plan,
        &answered,
        ctx.clock.now(),
        ctx.entropy.as_ref(),
    );
    let desired = number(&mut record, plan, ctx);
    if !serves {
        // The next pod must not let in whom nobody could tell it to keep out.
        record.required_desired = desired.number;
    }
    let after = record.to_secret(&plan.tenant.name, &ctx.namespace);
    if is_new || before != after {
        store(&mut record, &plan.tenant.name, ctx).await?;
    }
    if is_new {
        tracing::info!(tenant = tenant.name_any(), id = %record.tenant_id, "claimed");
    }
    note_awaited(&plan.tenant.name, &desired, serves, ctx);
    Ok(Claimed { record, desired })
}

/// Keys of a tenant without pods may be published once it is on record that no pod is ready without knowing them.
fn note_awaited(tenant: &str, desired: &Desired, serves: bool, ctx: &Context) {
    let ids = desired.state.api_keys.iter().map(|key| key.key_id.clone());
    let awaited: BTreeSet<String> = ids.filter(|_| !serves).collect();
    if *ctx.memory.of(tenant).awaited_keys == awaited {
        return;
    }
    ctx.memory
        .update(tenant, |memory| memory.awaited_keys = Arc::new(awaited));
    for key in ctx.caches.api_keys_of(tenant) {
        ctx.triggers
            .api_key(&key.namespace().unwrap_or_default(), &key.name_any());
    }
}

/// Stores the record and remembers it until the cache shows it.
pub async fn store(record: &mut TenantRecord, tenant: &str, ctx: &Context) -> Result<(), Error> {
    let secret = record.to_secret(tenant, &ctx.namespace);
    let stored = ctx.writer.store(&secret).await?;
    record.resource_version = stored.metadata.resource_version;
    let remembered = Arc::new(record.clone());
    ctx.memory
        .update(tenant, |memory| memory.record = Some(remembered));
    Ok(())
}

/// Notes by what its pods are about to reach servers.
pub async fn hand(
    record: &mut TenantRecord,
    urls: HandedUrls,
    tenant: &str,
    ctx: &Context,
) -> Result<(), Error> {
    if record.handed == urls {
        return Ok(());
    }
    record.handed = urls;
    store(record, tenant, ctx).await
}

/// A state that differs from the one before gets the next number.
fn number(record: &mut TenantRecord, plan: &Plan, ctx: &Context) -> Desired {
    let state = desired::state(plan, record, desired::declared_keys(plan, ctx));
    let json = serde_json::to_string(&state).expect("a desired state is plain JSON");
    let digest = fingerprint(json);
    if record.desired_digest != digest {
        record.desired_digest = digest;
        record.desired_number += 1;
    }
    Desired {
        number: record.desired_number,
        state,
    }
}

fn answered_admins(tenant: &str, ctx: &Context) -> Vec<AnsweredAdmin> {
    match ctx.memory.of(tenant).answer.as_deref() {
        Some(Ok(answer)) => answer.admins.clone(),
        _ => Vec::new(),
    }
}
