//! Who decides how many `api` pods there are.

use serde_json::{Value, json};

use crate::{
    tenant::{Api, Autoscaling},
    violation::Violation,
};

/// Who decides it, and within which bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaling {
    /// The declaration.
    Fixed,
    /// An autoscaler that the operator makes.
    Own(Bounds),
    /// An autoscaler of somebody else's.
    External,
}

/// What the operator's autoscaler keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub fewest: i32,
    pub most: i32,
    /// Of the requested CPU.
    pub target_cpu_percent: i32,
}

/// Load to aim at where nothing is declared, in percent of the requested CPU.
const TARGET_CPU_PERCENT: i32 = 80;
/// Where a violation is found.
const FIELD: &str = "spec.api.autoscaling";

/// What is declared, or what is wrong with it.
pub fn scaling(api: &Api) -> Result<Scaling, Violation> {
    let Some(declared) = &api.autoscaling else {
        return Ok(Scaling::Fixed);
    };
    let scaling =
        parse(declared).map_err(|allowed| Violation::new(FIELD, allowed, &json!(declared)))?;
    if let (Scaling::Own(_), Some(resources)) = (scaling, &api.resources) {
        let mut stated = [&resources.requests, &resources.limits]
            .into_iter()
            .flatten();
        if !stated.any(|amounts| amounts.cpu.is_some()) {
            return Err(Violation::new(
                "spec.api.resources.requests.cpu",
                "must be set with autoscaling, which measures load in percent of it",
                &Value::Null,
            ));
        }
    }
    Ok(scaling)
}

fn parse(declared: &Autoscaling) -> Result<Scaling, &'static str> {
    let external = declared.external == Some(true);
    let most = match (external, declared.max_replicas) {
        (true, None) => return Ok(Scaling::External),
        (false, Some(most)) => most,
        _ => return Err("must set either maxReplicas or external: true"),
    };
    let fewest = declared.min_replicas.unwrap_or(1);
    if !(1..=most).contains(&fewest) {
        return Err("must have minReplicas from 1 to maxReplicas");
    }
    let target = declared.target_cpu_utilization_percentage;
    Ok(Scaling::Own(Bounds {
        fewest,
        most,
        target_cpu_percent: target.unwrap_or(TARGET_CPU_PERCENT),
    }))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::from_value;

    use super::*;

    fn found(api: Value) -> Result<Scaling, String> {
        let api: Api = from_value(api).unwrap();
        scaling(&api).map_err(|violation| violation.field)
    }

    #[test]
    fn bounds_have_defaults() {
        let bounds = Bounds {
            fewest: 1,
            most: 5,
            target_cpu_percent: 80,
        };
        let declared = json!({"autoscaling": {"maxReplicas": 5}});
        assert_eq!(found(declared), Ok(Scaling::Own(bounds)));
        assert_eq!(found(json!({})), Ok(Scaling::Fixed));
        let external = json!({"autoscaling": {"external": true}, "resources": {}});
        assert_eq!(found(external), Ok(Scaling::External));
    }

    #[rstest]
    #[case(json!({"autoscaling": {}}), FIELD)]
    #[case(json!({"autoscaling": {"external": true, "maxReplicas": 2}}), FIELD)]
    #[case(json!({"autoscaling": {"minReplicas": 3, "maxReplicas": 2}}), FIELD)]
    #[case(
        json!({"autoscaling": {"maxReplicas": 2}, "resources": {"limits": {"memory": "1Gi"}}}),
        "spec.api.resources.requests.cpu"
    )]
    fn what_cannot_be_is_refused(#[case] api: Value, #[case] field: &str) {
        assert_eq!(found(api), Err(field.to_owned()));
    }
}
