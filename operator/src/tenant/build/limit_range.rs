//! What a container gets that says nothing of its own.

use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem, LimitRangeSpec};

use crate::names;
use crate::tenant::build::input::Input;

pub fn limits(input: &Input<'_>) -> LimitRange {
    let resources = &input.plan.api_resources;
    LimitRange {
        metadata: input.meta(names::LIMITS),
        spec: Some(LimitRangeSpec {
            limits: vec![LimitRangeItem {
                type_: "Container".to_owned(),
                default: resources.limits.clone(),
                default_request: resources.requests.clone(),
                ..LimitRangeItem::default()
            }],
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tenant::fixtures;

    #[test]
    fn is_as_reviewed() {
        let plan = fixtures::plan(json!({}));
        let record = fixtures::record(&plan);
        insta::assert_yaml_snapshot!(limits(&fixtures::input(&plan, &record)));
    }
}
