//! Exports: what `albatross export` writes, `albatross import` begins a log with, and `albatross verify` finds wrong.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail, and draws its ids"
)]

mod airline;
mod damage;
mod erasure;
mod erasure_by_command;
mod round_trip;
