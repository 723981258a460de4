//! Declarations that this version cannot honour: refused, never ignored.

use serde_json::json;

use crate::{tenant::TenantSpec, violation::Violation};

const LEAVE_OUT: &str = "is not supported by this version of Albatross: leave it out";

/// What `spec` asks for and does not get.
pub fn fields(spec: &TenantSpec) -> Vec<Violation> {
    let storage = spec.limits.iter().filter_map(|it| it.storage.as_ref());
    storage
        .map(|given| Violation::new("spec.limits.storage", LEAVE_OUT, &json!(given)))
        .collect()
}
