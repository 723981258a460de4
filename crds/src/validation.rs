//! Rules that a schema cannot hold: a declared spec becomes one that the rest of the code can trust.

mod api_key;
mod headroom;
mod limits;
mod scaling;
mod tenant;
mod workload;

pub use api_key::{KeyEnd, ValidatedApiKey, validate_api_key};
pub use headroom::headroom;
pub use limits::ValidatedLimits;
pub use scaling::{Bounds, Scaling};
pub use tenant::{ValidatedExposure, ValidatedTenant, cluster_only_fields, validate_tenant};
pub use workload::Workload;
