//! What the suites share: private servers, started once for a whole run.

pub mod api_server;
pub mod servers;
