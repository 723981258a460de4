//! Who may do what in the tenant's namespace: the operator itself, and the tenant's owners.

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};

use crate::names;
use crate::tenant::build::input::Input;

const RBAC: &str = "rbac.authorization.k8s.io";

pub fn operator(input: &Input<'_>) -> RoleBinding {
    RoleBinding {
        metadata: input.meta(names::OPERATOR),
        role_ref: role(names::OPERATOR_TENANT_ROLE),
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: names::OPERATOR.to_owned(),
            namespace: Some(input.operator_namespace.to_owned()),
            ..Subject::default()
        }]),
    }
}

pub fn owners(input: &Input<'_>) -> Option<RoleBinding> {
    let owners = &input.plan.tenant.owners;
    (!owners.is_empty()).then(|| RoleBinding {
        metadata: input.meta("owners"),
        role_ref: role(names::OWNER_ROLE),
        subjects: Some(
            owners
                .iter()
                .map(|owner| Subject {
                    api_group: Some(RBAC.to_owned()),
                    kind: owner.kind.as_str().to_owned(),
                    name: owner.name.clone(),
                    namespace: None,
                })
                .collect(),
        ),
    })
}

fn role(name: &str) -> RoleRef {
    RoleRef {
        api_group: RBAC.to_owned(),
        kind: "ClusterRole".to_owned(),
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tenant::fixtures;

    #[test]
    fn is_as_reviewed() {
        let plan = fixtures::plan(json!({"owners": [{"kind": "Group", "name": "skyways-ops"}]}));
        let record = fixtures::record(&plan);
        insta::assert_yaml_snapshot!((
            operator(&fixtures::input(&plan, &record)),
            owners(&fixtures::input(&plan, &record))
        ));
    }
}
