//! What an airline may grow to, in the units of whoever holds it.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::json;

use crate::{quantity::bytes, tenant::Limits, violation::Violation};

/// An airline without a flight takes about a sixth of it.
const LEAST: u64 = 64 << 20;
/// More than any server holds.
const MOST: u64 = 1 << 50;

/// None: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ValidatedLimits {
    pub pilots: Option<i32>,
    pub pireps_per_day: Option<i32>,
    pub storage_bytes: Option<u64>,
}

/// The numbers are held by the schema.
pub fn limits(given: Option<&Limits>) -> Result<ValidatedLimits, Violation> {
    let Some(given) = given else {
        return Ok(ValidatedLimits::default());
    };
    Ok(ValidatedLimits {
        pilots: given.pilots,
        pireps_per_day: given.pireps_per_day,
        storage_bytes: given.storage.as_ref().map(storage).transpose()?,
    })
}

fn storage(quantity: &Quantity) -> Result<u64, Violation> {
    let refused = |allowed: String| {
        let given = json!(quantity.0);
        Violation::new("spec.limits.storage", allowed, &given)
    };
    let bytes = bytes(quantity).map_err(|error| refused(error.to_string()))?;
    match u64::try_from(bytes) {
        Ok(bytes) if (LEAST..=MOST).contains(&bytes) => Ok(bytes),
        _ => Err(refused("must be from 64Mi to 1Pi".to_owned())),
    }
}
