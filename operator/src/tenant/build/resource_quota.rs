//! What the pods of the tenant's namespace may use together, and how many ApiKeys its owners may declare there.

use std::collections::BTreeMap;

use albatross_crds::ApiKey;
use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::Resource;

use crate::names;
use crate::tenant::build::input::Input;

/// The one kind of object that owners create, each of which costs the operator memory, requests and a Secret. An airline has
/// one for each program that files flights.
const MOST_API_KEYS: u32 = 100;

pub fn quota(input: &Input<'_>) -> ResourceQuota {
    let declared = input.plan.tenant.quota.as_ref();
    let mut hard = declared.map_or_else(BTreeMap::new, |quota| quota.to_hard());
    let api_keys = format!("count/{}.{}", ApiKey::plural(&()), ApiKey::group(&()));
    hard.insert(api_keys, Quantity(MOST_API_KEYS.to_string()));
    ResourceQuota {
        metadata: input.meta(names::LIMITS),
        spec: Some(ResourceQuotaSpec {
            hard: Some(hard),
            ..ResourceQuotaSpec::default()
        }),
        ..ResourceQuota::default()
    }
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
    fn without_a_quota_for_pods_there_is_one_for_api_keys() {
        let plan = fixtures::plan(json!({}));
        let record = fixtures::record(&plan);
        let hard = quota(&fixtures::input(&plan, &record)).spec.unwrap().hard;
        let bound = ("count/apikeys.albatross.aero", "100");
        let bound = (bound.0.to_owned(), Quantity(bound.1.to_owned()));
        assert_eq!(hard, Some(BTreeMap::from([bound])));
    }
}
