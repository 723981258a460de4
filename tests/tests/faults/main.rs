//! An airline of several replicas on real servers, which go away, fall silent, forget, slow down and start again.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail, and draw its ids"
)]

mod broker;
mod cache;
mod database;
mod feed;
mod outage;
mod site;
