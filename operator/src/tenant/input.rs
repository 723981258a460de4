//! What `build` starts from, read where it must be.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::context::record::TenantRecord;
use crate::names;
use crate::provision::error::ProvisionError;
use crate::tenant::build::input::Input;
use crate::tenant::cache_account;
use crate::tenant::validate::{Placement, Plan};

/// The input of `build`; nothing while an account or a certificate that it needs cannot be read.
pub async fn read<'a>(
    plan: &'a Plan,
    record: &'a TenantRecord,
    ctx: &'a Context,
) -> Option<Input<'a>> {
    let cache_account = cache_account::read(plan, record, ctx).await.ok()?;
    Some(Input {
        plan,
        record,
        operator_namespace: &ctx.namespace,
        cache_account,
        authorities: authorities(&plan.servers, ctx).await.ok()?,
    })
}

async fn authorities(
    servers: &Placement,
    ctx: &Context,
) -> Result<BTreeMap<&'static str, String>, ProvisionError> {
    let Placement {
        postgres,
        rabbitmq,
        redis,
    } = servers;
    let rabbitmq = rabbitmq.as_ref().map(|it| (&it.name, &it.ca_secret));
    let redis = redis.as_ref().map(|it| (&it.name, &it.ca_secret));
    let mut found = BTreeMap::new();
    for (file, server) in [
        (
            names::POSTGRES_AUTHORITY,
            Some((&postgres.name, &postgres.ca_secret)),
        ),
        (names::RABBITMQ_AUTHORITY, rabbitmq),
        (names::REDIS_AUTHORITY, redis),
    ] {
        if let Some((server, secret)) = server {
            let authority = ctx.servers.authority(server, secret.as_deref()).await?;
            found.extend(authority.map(|authority| (file, authority)));
        }
    }
    Ok(found)
}
