//! The tenant's namespace.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::names;
use crate::tenant::build::input::Input;

pub fn namespace(input: &Input<'_>) -> Namespace {
    let mut labels = input.labels();
    labels.insert(names::MANAGED_LABEL.to_owned(), "true".to_owned());
    for mode in ["enforce", "audit", "warn"] {
        let label = format!("pod-security.kubernetes.io/{mode}");
        labels.insert(label, "restricted".to_owned());
    }
    Namespace {
        metadata: ObjectMeta {
            name: Some(input.plan.namespace.clone()),
            labels: Some(labels),
            annotations: Some(BTreeMap::from([(
                names::TENANT_ID_ANNOTATION.to_owned(),
                input.record.tenant_id.to_string(),
            )])),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
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
        insta::assert_yaml_snapshot!(namespace(&fixtures::input(&plan, &record)));
    }
}
