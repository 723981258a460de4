//! Use cases: what may be asked of one airline, between HTTP and the log.

pub mod error;
pub mod identity;
pub mod paging;
pub mod passwords;
pub mod secrets;
pub mod views;
pub mod write;
