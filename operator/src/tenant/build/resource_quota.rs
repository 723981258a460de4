//! What the pods of the tenant's namespace may use together.

use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaSpec};

use crate::names;
use crate::tenant::build::input::Input;

pub fn quota(input: &Input<'_>) -> Option<ResourceQuota> {
    let hard = input.plan.tenant.quota.as_ref()?.to_hard();
    (!hard.is_empty()).then(|| ResourceQuota {
        metadata: input.meta(names::LIMITS),
        spec: Some(ResourceQuotaSpec {
            hard: Some(hard),
            ..ResourceQuotaSpec::default()
        }),
        ..ResourceQuota::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tenant::fixtures;

    #[test]
    fn is_as_reviewed() {
        let plan = fixtures::plan(json!({"quota": {"pods": 10, "requests": {"cpu": "2"}}}));
        let record = fixtures::record(&plan);
        insta::assert_yaml_snapshot!(quota(&fixtures::input(&plan, &record)));
    }

    #[test]
    fn without_a_quota_there_is_none() {
        let plan = fixtures::plan(json!({}));
        let record = fixtures::record(&plan);
        assert!(quota(&fixtures::input(&plan, &record)).is_none());
    }
}
