//! The outside world behind the ports: storage in memory, SQLite or PostgreSQL, chosen by URL.

use std::path::Path;

pub use crate::adapters::stores::{OpenError, Stores};

mod batch;
pub mod chain;
mod combiner;
mod failure;
mod lanes;
mod limits;
pub mod memory;
mod sql;
pub mod sqlite;
mod stores;
mod tables;

/// Opens the storage that `url` names: `memory:` or `sqlite:DIRECTORY`.
pub async fn open(url: &str) -> Result<Stores, OpenError> {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    match scheme {
        "memory" => Ok(memory::open()),
        "sqlite" => sqlite::open(directory(rest)?).await,
        _ => Err(OpenError::UnknownScheme(scheme.to_owned())),
    }
}

/// Brings the schema up to date; returns its version. Idempotent.
pub async fn migrate(url: &str) -> Result<i64, OpenError> {
    Ok(open(url).await?.schema_version)
}

fn directory(rest: &str) -> Result<&Path, OpenError> {
    match rest.strip_prefix("//").unwrap_or(rest) {
        "" => Err(OpenError::NoDirectory),
        path => Ok(Path::new(path)),
    }
}
