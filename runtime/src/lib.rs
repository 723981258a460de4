//! The runtime of one virtual airline: an event-sourced core with its adapters, REST API and web page.

pub mod adapters;
pub mod app;
pub mod application;
pub mod codec;
pub mod config;
pub mod domain;
pub mod http;
pub mod ports;
