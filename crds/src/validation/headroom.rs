//! Whether a quota leaves room for the pods, a rolling update and the migration Job.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Value, json};

use crate::{
    quantity::{display, nanos},
    tenant::{Amounts, Quota, Resources},
    validation::workload::Workload,
    violation::Violation,
};

/// What `quota` is too small for, or counts and no pod states. Pods that declare nothing of their own use `default`; where
/// that is not known, there is nothing to compare.
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
            violations.extend(match (total(&counted, default, section, &name), nanos(&given)) {
                (Total::Unstated, _) => Some(Violation::new(
                    format!("spec.api.resources.{section}.{name}"),
                    format!(
                        "must be set, since Kubernetes makes no pod without it where spec.quota.{section}.{name} is set"
                    ),
                    &Value::Null,
                )),
                (Total::Needed(needed), Ok(available)) if available < needed => {
                    Some(Violation::new(
                        format!("spec.quota.{section}.{name}"),
                        needs(&display(needed)),
                        &json!(given.0),
                    ))
                }
                _ => None,
            });
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

/// What all pods together need of something.
enum Total {
    Needed(u128),
    /// A pod says nothing of it.
    Unstated,
    /// What a pod gets is not known here, or cannot be read, which is told elsewhere.
    Unknown,
}

fn total(
    counted: &[(&Workload, i64); 2],
    default: Option<&Resources>,
    section: &str,
    name: &str,
) -> Total {
    let stated =
        |pods: &Workload| Some(amount(pods.resources.as_ref().or(default)?, section, name));
    let [(api, _), _] = counted;
    let mut sum = Some(0_u128);
    for (pods, count) in counted.iter().filter(|(_, count)| *count > 0) {
        let one = match (stated(pods), stated(api)) {
            (Some(None), Some(None)) => return Total::Unstated,
            // The LimitRange of the namespace gives to every pod what those of `api` state.
            (Some(own), Some(api)) => own.or(api),
            (own, _) => own.flatten(),
        };
        let one = one.and_then(|one| nanos(&one).ok());
        let all = one.zip(u128::try_from(*count).ok());
        sum = sum.and_then(|sum| {
            let (one, count) = all?;
            one.checked_mul(count)?.checked_add(sum)
        });
    }
    sum.map_or(Total::Unknown, Total::Needed)
}

/// What one pod states; a pod with a limit and no request requests its limit.
fn amount(resources: &Resources, section: &str, name: &str) -> Option<Quantity> {
    let of = |amounts: &Option<Amounts>| amounts.as_ref()?.to_map().remove(name);
    match section {
        "limits" => of(&resources.limits),
        _ => of(&resources.requests).or_else(|| of(&resources.limits)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::from_value;

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
    #[case::not_stated_is_refused(json!({"limits": {"cpu": "100"}}), 1, 0, false)]
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

    #[test]
    fn what_a_quota_counts_is_stated_by_every_pod() {
        let quota = from_value(json!({"limits": {"cpu": "100"}})).unwrap();
        let default = from_value(json!({"limits": {"cpu": "1"}})).unwrap();
        let (stated, other) = (
            json!({"limits": {"cpu": "1"}}),
            json!({"limits": {"memory": "1Gi"}}),
        );
        let found = |api: &Value, worker: &Value, default: Option<&Resources>| {
            let (api, worker) = (workload(1, api.clone()), workload(1, worker.clone()));
            headroom(&quota, &api, &worker, default)
        };
        for known in [None, Some(&default)] {
            let refused = found(&other, &stated, known);
            assert_eq!(refused.len(), 1, "{refused:?}");
            assert_eq!(refused[0].field, "spec.api.resources.limits.cpu");
            assert!(refused[0].allowed.contains("spec.quota.limits.cpu"));
            // What is declared takes the place of the default as a whole.
            assert_eq!(found(&other, &Value::Null, known), refused);
            // The namespace's LimitRange gives every pod what the `api` pods state.
            assert_eq!(found(&stated, &other, known), []);
        }
        assert_eq!(found(&Value::Null, &other, Some(&default)), []);
        let nothing = Resources::default();
        assert_eq!(found(&Value::Null, &Value::Null, Some(&nothing)).len(), 1);
    }
}
