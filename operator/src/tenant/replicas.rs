//! Hands the number of serving pods over to an autoscaler: what the operator owned and no longer states would fall
//! back to one. Taking it back needs no care: the operator states it again.

use albatross_crds::validation::Scaling;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{ApiResource, DynamicObject};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::context::Context;
use crate::context::object::Wanted;
use crate::names;
use crate::tenant::error::Error;
use crate::tenant::validate::Plan;

/// Before `wanted`, if it leaves the number open, is applied over one that states it.
pub async fn hand_over(plan: &Plan, wanted: &[Wanted], ctx: &Context) -> Result<(), Error> {
    let Some(wanted) = wanted.iter().find(|object| leaves_open(object)) else {
        return Ok(());
    };
    let Some(cached) = ctx.caches.live(wanted) else {
        return Ok(());
    };
    if cached.annotations().get(names::DIGEST_ANNOTATION) == Some(&wanted.digest) {
        return Ok(());
    }
    // Who owns what is not cached.
    let api: Api<Deployment> = Api::namespaced(ctx.client.clone(), &plan.namespace);
    let Some(live) = api.get_opt(names::API).await? else {
        return Ok(());
    };
    if states_replicas(&live) {
        let current = live.spec.and_then(|spec| spec.replicas).unwrap_or(1);
        // At none, an autoscaler does nothing: a tenant that wakes starts with some, against the operator's own word.
        let wakes = current == 0;
        let replicas = if wakes {
            fewest(plan.tenant.scaling)
        } else {
            current
        };
        let resource = ApiResource::erase::<Deployment>(&());
        let object = DynamicObject::new(names::API, &resource)
            .within(&plan.namespace)
            .data(json!({"spec": {"replicas": replicas}}));
        ctx.writer
            .apply_as(names::REPLICAS_MANAGER, &resource, &object, wakes)
            .await?;
    }
    Ok(())
}

fn leaves_open(object: &Wanted) -> bool {
    object.resource.kind == "Deployment"
        && object.object.name_any() == names::API
        && object.object.data["spec"].get("replicas").is_none()
}

/// Whether the operator is an owner of the number.
fn states_replicas(live: &Deployment) -> bool {
    live.managed_fields().iter().any(|entry| {
        let fields = entry.fields_v1.as_ref();
        entry.manager.as_deref() == Some(names::FIELD_MANAGER)
            && fields.is_some_and(|fields| fields.0["f:spec"].get("f:replicas").is_some())
    })
}

fn fewest(scaling: Scaling) -> i32 {
    match scaling {
        Scaling::Own(bounds) => bounds.fewest,
        Scaling::Fixed | Scaling::External => 1,
    }
}
