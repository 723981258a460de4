//! Use cases: what may be asked of one airline, between HTTP and the log.

pub mod airline;
pub mod api_keys;
pub mod auth;
pub mod changes;
pub mod commands;
pub mod desired;
pub mod error;
pub mod events;
pub mod history;
pub mod identity;
pub mod paging;
pub mod passwords;
pub mod pirep_queries;
pub mod pireps;
pub mod projections;
pub mod queries;
pub mod secrets;
pub mod shared;
pub mod subject_keys;
pub mod track_facts;
pub mod tracks;
pub mod users;
pub mod views;
pub mod write;
