//! The REST API as its clients meet it, over storage in memory.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests use the real clock and real randomness, and may panic"
)]

mod bad_input;
mod catalogue;
mod documents;
mod hostile;
mod keys;
mod life_cycle;
mod limits;
mod main_job;
mod matrix;
mod operator;
mod people;
mod repeats;
mod rules;
mod stack;
mod stream;
mod whole_flights;
