//! The operator: turns Tenant and ApiKey resources into isolated running airlines.

pub mod api_key;
pub mod config;
pub mod context;
pub mod controllers;
pub mod leader;
pub mod lease;
pub mod names;
pub mod provision;
pub mod server;
pub mod tenant;
pub mod traces;
