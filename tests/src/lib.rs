//! What the suites share: private servers, started once for a whole run, faults, and patience.

pub mod airline;
pub mod api_server;
pub mod bench;
pub mod can_i;
pub mod chart;
pub mod faults;
pub mod feed;
pub mod gitops;
pub mod kubectl;
pub mod metrics;
pub mod network;
pub mod parts;
pub mod platform;
pub mod processes;
pub mod proxy;
pub mod random;
pub mod replica;
pub mod servers;
pub mod tls;
pub mod wait;
