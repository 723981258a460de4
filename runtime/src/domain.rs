//! The rules of a virtual airline: pure decisions over events, without I/O, clock or randomness.

pub mod actor;
pub mod aggregate;
pub mod bids;
pub mod catalogue;
pub mod event;
pub mod ids;
pub mod personal;
pub mod pirep;
pub mod refusal;
pub mod review;
pub mod roles;
pub mod tenant;
pub mod text;
pub mod time;
pub mod user;
