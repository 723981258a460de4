//! One suite per storage port, over every adapter: the same promises everywhere.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail, and draw its ids"
)]

mod bad_input;
mod chain;
mod concurrency;
mod credentials;
mod discarded_drafts;
mod event_store;
mod fixture;
mod import;
mod model;
mod opening;
mod packed_tracks;
mod postgres;
mod reactions;
mod read_model;
mod rebuild;
mod rebuild_live;
mod releases;
mod releases_live;
mod size;
mod sqlite;
mod track_store;
mod upgrade;
