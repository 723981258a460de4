//! What decides the number of serving pods by their load, where that is asked for.

use albatross_crds::validation::Scaling;
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec,
    MetricTarget, ResourceMetricSource,
};

use crate::names;
use crate::tenant::build::input::Input;

pub fn api(input: &Input<'_>) -> Option<HorizontalPodAutoscaler> {
    let Scaling::Own(bounds) = input.plan.tenant.scaling else {
        return None;
    };
    let load = MetricSpec {
        type_: "Resource".to_owned(),
        resource: Some(ResourceMetricSource {
            name: "cpu".to_owned(),
            target: MetricTarget {
                type_: "Utilization".to_owned(),
                average_utilization: Some(bounds.target_cpu_percent),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    };
    Some(HorizontalPodAutoscaler {
        metadata: input.meta(names::API),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name: names::API.to_owned(),
            },
            min_replicas: Some(bounds.fewest),
            max_replicas: bounds.most,
            metrics: Some(vec![load]),
            behavior: None,
        }),
        ..HorizontalPodAutoscaler::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tenant::fixtures;

    #[test]
    fn is_as_reviewed() {
        let plan = fixtures::plan(json!({"api": {"autoscaling": {
            "minReplicas": 2, "maxReplicas": 4, "targetCPUUtilizationPercentage": 70,
        }}}));
        let record = fixtures::record(&plan);
        insta::assert_yaml_snapshot!(api(&fixtures::input(&plan, &record)));
    }

    #[test]
    fn there_is_none_unless_asked_for() {
        for autoscaling in [json!(null), json!({"external": true})] {
            let plan = fixtures::plan(json!({"api": {"autoscaling": autoscaling}}));
            let record = fixtures::record(&plan);
            assert!(api(&fixtures::input(&plan, &record)).is_none());
        }
    }
}
