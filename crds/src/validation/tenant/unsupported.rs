//! Declarations that this version cannot honour: refused, never ignored.

use serde_json::json;

use crate::{
    tenant::TenantSpec,
    violation::Violation,
};

/// What `spec` asks for and does not get.
pub fn fields(spec: &TenantSpec) -> Vec<Violation> {
    let leave_out = "is not supported by this version of Albatross: leave it out";
    [
        ("spec.limits", leave_out, json!(spec.limits)),
    ]
    .into_iter()
    .filter(|(_, _, given)| !given.is_null())
    .map(|(field, allowed, given)| Violation::new(field, allowed, &given))
    .collect()
}
