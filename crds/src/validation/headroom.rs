//! Whether a quota leaves room for the pods, a rolling update and the migration Job.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::json;

use crate::{
    quantity::{display, nanos},
    tenant::{Amounts, Quota, Resources},
    validation::workload::Workload,
    violation::Violation,
};

/// What `quota` is too small for. Pods that state no amount of their own use `default`; where neither does, there is
/// nothing to compare.
pub fn headroom(
    quota: &Quota,
    api: &Workload,
    worker: &Workload,
    default: Option<&Resources>,
) -> Vec<Violation> {
    let counted = [(api, most_pods(api) + 1), (worker, most_pods(worker))];
    let mut violations = Vec::new();
    let pods: i64 = counted.iter().map(|(_, pods)| pods).sum();
    if let Some(given) = quota.pods.filter(|given| i64::from(*given) < pods) {
        violations.push(Violation::new(
            "spec.quota.pods",
            needs(&pods.to_string()),
            &json!(given),
        ));
    }
    for (section, amounts) in [("requests", &quota.requests), ("limits", &quota.limits)] {
        for (name, given) in amounts.iter().flat_map(Amounts::to_map) {
            let needed = total(&counted, default, section, &name);
            let (Some(needed), Ok(available)) = (needed, nanos(&given)) else {
                continue;
            };
            if available < needed {
                violations.push(Violation::new(
                    format!("spec.quota.{section}.{name}"),
                    needs(&display(needed)),
                    &json!(given.0),
                ));
            }
        }
    }
    violations
}

/// A rolling update starts one pod before it ends another; the migration Job counts as one more `api` pod.
fn most_pods(pods: &Workload) -> i64 {
    i64::from(pods.replicas) + i64::from(pods.replicas > 0)
}

fn needs(least: &str) -> String {
    format!(
        "must be at least {least}: all pods, one more of each kind while they are replaced, and the migration Job"
    )
}

/// The sum of an amount over all pods; nothing if a pod does not state it.
fn total(
    counted: &[(&Workload, i64)],
    default: Option<&Resources>,
    section: &str,
    name: &str,
) -> Option<u128> {
    let mut sum = 0_u128;
    for (pods, count) in counted.iter().filter(|(_, count)| *count > 0) {
        let one = amount(pods.resources.as_ref(), section, name)
            .or_else(|| amount(default, section, name))?;
        let count = u128::try_from(*count).ok()?;
        sum = nanos(&one).ok()?.checked_mul(count)?.checked_add(sum)?;
    }
    Some(sum)
}

/// What one pod states; a pod with a limit and no request requests its limit.
fn amount(resources: Option<&Resources>, section: &str, name: &str) -> Option<Quantity> {
    let resources = resources?;
    let of = |amounts: &Option<Amounts>| amounts.as_ref()?.to_map().remove(name);
    match section {
        "limits" => of(&resources.limits),
        _ => of(&resources.requests).or_else(|| of(&resources.limits)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, from_value, json};

    use super::*;

    fn workload(replicas: i32, resources: Value) -> Workload {
        Workload {
            replicas,
            resources: from_value(resources).unwrap(),
        }
    }

    #[rstest]
    #[case::pods_fit(json!({"pods": 3}), 1, 0, true)]
    #[case::no_room_for_the_job(json!({"pods": 2}), 1, 0, false)]
    #[case::workers_are_replaced_too(json!({"pods": 6}), 2, 1, true)]
    #[case::workers_have_no_room(json!({"pods": 5}), 2, 1, false)]
    #[case::cpu_fits(json!({"requests": {"cpu": "750m"}}), 1, 0, true)]
    #[case::cpu_does_not_fit(json!({"requests": {"cpu": "749m"}}), 1, 0, false)]
    #[case::memory_fits(json!({"limits": {"memory": "768Mi"}}), 1, 0, true)]
    #[case::memory_does_not_fit(json!({"limits": {"memory": "767Mi"}}), 1, 0, false)]
    #[case::limit_stands_in_for_request(json!({"requests": {"memory": "767Mi"}}), 1, 0, false)]
    #[case::not_stated_is_not_compared(json!({"limits": {"cpu": "1m"}}), 1, 0, true)]
    fn a_quota_leaves_room(
        #[case] quota: Value,
        #[case] api: i32,
        #[case] worker: i32,
        #[case] fits: bool,
    ) {
        let pod = json!({"requests": {"cpu": "250m"}, "limits": {"memory": "256Mi"}});
        let found = headroom(
            &from_value(quota).unwrap(),
            &workload(api, pod.clone()),
            &workload(worker, pod),
            None,
        );
        assert_eq!(found.is_empty(), fits, "{found:?}");
    }

    #[test]
    fn pods_that_state_nothing_use_the_default() {
        let quota = from_value(json!({"requests": {"cpu": "299m"}})).unwrap();
        let default = from_value(json!({"requests": {"cpu": "100m"}})).unwrap();
        let (api, worker) = (workload(1, Value::Null), workload(0, Value::Null));
        assert!(headroom(&quota, &api, &worker, None).is_empty());
        let found = headroom(&quota, &api, &worker, Some(&default));
        assert_eq!(found[0].field, "spec.quota.requests.cpu");
        assert!(found[0].allowed.starts_with("must be at least 300m"));
        assert_eq!(found[0].given, "\"299m\"");
    }
}
