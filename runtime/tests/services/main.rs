//! The services of one airline over storage in memory, at moments that the tests choose.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests use real randomness, and may panic"
)]

mod api_keys;
mod bids;
mod catalogue;
mod changes;
mod clock;
mod contact;
mod custom_fields;
mod demo_flight;
mod derived;
mod desired;
mod erasure;
mod evolution;
mod faulty_lists;
mod faulty_log;
mod faulty_tracks;
mod flight_logs;
mod limits;
mod log_in;
mod milestones;
mod pireps;
mod projections;
mod retries;
mod reviews;
mod rotation;
mod stage;
mod storage;
mod tracks;
mod users;
mod watched_credentials;
