//! The operator: turns Tenant and ApiKey resources into isolated running airlines.

pub mod config;
pub mod names;
pub mod provision;
