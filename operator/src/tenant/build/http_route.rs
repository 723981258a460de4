//! The way in from outside the cluster through a Gateway, where one is named.

use albatross_crds::validation::ValidatedExposure;

use crate::context::http_route::{BackendRef, HttpRoute, HttpRouteRule, HttpRouteSpec};
use crate::names;
use crate::tenant::build::input::Input;

pub fn api(input: &Input<'_>) -> Option<HttpRoute> {
    let tenant = &input.plan.tenant;
    let ValidatedExposure::Gateway(gateway) = &tenant.exposure else {
        return None;
    };
    let backend = BackendRef {
        name: names::API.to_owned(),
        port: names::HTTP_PORT,
    };
    Some(HttpRoute {
        metadata: input.meta(names::API),
        spec: HttpRouteSpec {
            parent_refs: vec![gateway.clone()],
            hostnames: vec![tenant.host.clone()],
            rules: vec![HttpRouteRule {
                backend_refs: vec![backend],
            }],
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tenant::fixtures;

    #[test]
    fn is_as_reviewed() {
        let gateway = json!({"name": "edge", "namespace": "gateways", "sectionName": "https"});
        let exposure = json!({"gateway": {"parentRef": gateway}});
        let plan = fixtures::plan(json!({ "exposure": exposure }));
        let record = fixtures::record(&plan);
        insta::assert_yaml_snapshot!(api(&fixtures::input(&plan, &record)));
    }

    #[test]
    fn there_is_none_unless_asked_for() {
        let plan = fixtures::plan(json!({"exposure": {"ingress": {}}}));
        let record = fixtures::record(&plan);
        assert!(api(&fixtures::input(&plan, &record)).is_none());
    }
}
