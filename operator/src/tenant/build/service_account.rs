//! The identity of the tenant's pods within the cluster, which they have no use for: no token.

use k8s_openapi::api::core::v1::ServiceAccount;

use crate::names;
use crate::tenant::build::input::Input;

pub fn runtime(input: &Input<'_>) -> ServiceAccount {
    ServiceAccount {
        metadata: input.meta(names::RUNTIME_ACCOUNT),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
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
        insta::assert_yaml_snapshot!(runtime(&fixtures::input(&plan, &record)));
    }
}
