//! What the suites share: private servers, started once for a whole run.

pub mod servers;
