//! Use cases: what may be asked of one airline, between HTTP and the log.

pub mod secrets;
