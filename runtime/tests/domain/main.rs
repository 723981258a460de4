//! The event-sourced core: decisions as given/when/then, the stored format, the command executor.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test")]

mod bids;
mod catalogue;
mod codec;
mod commands;
mod drawn;
mod given;
mod life_cycle;
mod packing;
mod pireps;
mod reviews;
mod row_documents;
mod samples;
mod tenants;
mod users;
