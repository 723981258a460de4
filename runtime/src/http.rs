//! The REST API, the web page and the ports for operator and probes: the table of contents.

pub mod assets;
pub mod authorisation;
pub mod client_address;
pub mod docs;
pub mod extract;
pub mod pireps;
pub mod preconditions;
pub mod probes;
pub mod problem;
pub mod rate_limit;
pub mod site;
pub mod users;
