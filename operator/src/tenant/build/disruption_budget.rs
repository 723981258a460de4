//! How many serving pods may be evicted at once: one, and one that is not ready at any time, so that no drain hangs.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::names;
use crate::tenant::build::input::Input;

pub fn api(input: &Input<'_>) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: input.meta(names::API),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            selector: Some(LabelSelector {
                match_labels: Some(input.selector(names::API)),
                ..LabelSelector::default()
            }),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
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
        insta::assert_yaml_snapshot!(api(&fixtures::input(&plan, &record)));
    }
}
