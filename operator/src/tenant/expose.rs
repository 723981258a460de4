//! Applies the route by which a tenant is reached through a Gateway, and says whether it leads anywhere.

use albatross_crds::conditions::Reason;
use kube::Resource;
use kube::api::DynamicObject;
use serde_json::Value;

use crate::context::Context;
use crate::context::http_route::HttpRoute;
use crate::context::object::{ObjectKey, Wanted};
use crate::names;
use crate::tenant::apply;
use crate::tenant::error::Error;
use crate::tenant::part::Part;
use crate::tenant::validate::Plan;

/// A cluster without the Gateway API runs the airline all the same.
#[tracing::instrument(name = "expose", level = "debug", skip_all)]
pub async fn expose(route: Option<&Wanted>, ctx: &Context) -> Result<Part, Error> {
    let Some(route) = route else {
        return Ok(unexposed());
    };
    let live = ctx.caches.live(route);
    match apply::apply_watched(route, live.as_ref(), ctx).await {
        Err(kube::Error::Api(status)) if status.code == 404 && status.details.is_none() => {
            Ok(Part::stalled(
                Reason::GatewayApiMissing,
                "spec.exposure.gateway: the cluster serves no HTTPRoute of gateway.networking.k8s.io/v1; install the \
                 Gateway API, or use ingress or none",
            ))
        }
        applied => {
            applied?;
            Ok(live.as_ref().map_or_else(unexposed, heard_of))
        }
    }
}

/// What was last heard of the route of a tenant for which nothing is applied.
pub fn exposed(plan: &Plan, ctx: &Context) -> Part {
    let route = ctx.caches.child(&ObjectKey {
        kind: HttpRoute::kind(&()).into_owned(),
        namespace: Some(plan.namespace.clone()),
        name: names::API.to_owned(),
    });
    route.as_ref().map_or_else(unexposed, heard_of)
}

/// Nothing to be said about it.
pub fn unexposed() -> Part {
    Part::done(Reason::UpToDate, "")
}

/// What the Gateway's controller says of the route; as long as it says nothing, nothing is wrong.
fn heard_of(route: &DynamicObject) -> Part {
    let parents = route.data["status"]["parents"].as_array();
    let conditions = parents
        .into_iter()
        .flatten()
        .filter_map(|parent| parent["conditions"].as_array())
        .flatten();
    let mut refusals = conditions.filter(|it| it["status"] == "False" && it["type"] == "Accepted");
    match refusals.next() {
        None => unexposed(),
        Some(refusal) => {
            let text = |member: &Value| member.as_str().unwrap_or_default().to_owned();
            let (reason, message) = (text(&refusal["reason"]), text(&refusal["message"]));
            Part::failing(
                Reason::RouteNotAccepted,
                format!("the Gateway does not accept HTTPRoute api: {reason}: {message}"),
            )
        }
    }
}
