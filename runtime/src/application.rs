//! Use cases: what may be asked of one airline, between HTTP and the log.

pub mod commands;
pub mod error;
pub mod events;
pub mod identity;
pub mod paging;
pub mod passwords;
pub mod secrets;
pub mod subject_keys;
pub mod views;
pub mod write;
