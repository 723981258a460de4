//! The outside world behind the ports: storage in memory, SQLite or PostgreSQL, chosen by URL.

use std::path::Path;

pub use crate::adapters::stores::{OpenError, Stores};

pub mod archive;
mod authority;
mod batch;
pub mod chain;
mod combiner;
pub mod erasures;
mod failure;
pub mod known_head;
mod lane_tables;
mod lanes;
mod limits;
pub mod memory;
pub mod packing;
mod page;
pub mod postgres;
pub mod rabbitmq;
pub mod redis;
mod shapes;
mod sql;
pub mod sqlite;
mod stores;
pub mod system;
mod tables;

/// Opens the storage that `url` names: `memory:`, `sqlite:DIRECTORY` or `postgres://…`.
/// PostgreSQL must have been migrated; the others are made or migrated on the spot.
pub async fn open(url: &str) -> Result<Stores, OpenError> {
    match scheme(url) {
        ("memory", _) => Ok(memory::open()),
        ("sqlite", rest) => sqlite::open(directory(rest)?).await,
        ("postgres" | "postgresql", _) => postgres::open(url).await,
        (other, _) => Err(OpenError::UnknownScheme(other.to_owned())),
    }
}

/// Opens storage that must be there already: nothing is made.
pub async fn open_existing(url: &str) -> Result<Stores, OpenError> {
    if let ("sqlite", rest) = scheme(url) {
        sqlite::must_exist(directory(rest)?)?;
    }
    open(url).await
}

/// Brings the schema up to date; returns its version. Idempotent.
pub async fn migrate(url: &str) -> Result<i64, OpenError> {
    match scheme(url) {
        ("postgres" | "postgresql", _) => postgres::migrate(url).await,
        _ => Ok(open(url).await?.schema_version),
    }
}

fn scheme(url: &str) -> (&str, &str) {
    url.split_once(':').unwrap_or((url, ""))
}

fn directory(rest: &str) -> Result<&Path, OpenError> {
    match rest.strip_prefix("//").unwrap_or(rest) {
        "" => Err(OpenError::NoDirectory),
        path => Ok(Path::new(path)),
    }
}
