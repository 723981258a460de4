//! A PostgreSQL database: the schemas log, read and track.

mod append;
mod columns;
mod connections;
mod copy;
mod credentials;
mod database;
mod documents;
mod event_store;
mod facts;
mod flight_logs;
mod import;
mod optimistic;
mod packed_tracks;
mod read_model;
mod rebuild;
mod rows;
mod shapes;
mod silence;
mod size;
mod streams;
mod track_store;

use std::sync::Arc;

use crate::adapters::stores::{OpenError, Stores};
use database::Database;
pub use database::migrate;
use event_store::PostgresLog;
use read_model::PostgresReadModel;
use size::PostgresStorage;
use track_store::PostgresTracks;

/// Opens the database, which [`migrate`] has prepared. A newer schema is fine: it serves the previous release too.
pub async fn open(url: &str) -> Result<Stores, OpenError> {
    let database = Database::open(url).await?;
    let schema_version = database.schema_version;
    let pools = [database.writer.clone(), database.pool.clone()];
    let log = Arc::new(PostgresLog::start(database.clone()).await?);
    Ok(Stores {
        events: log.clone(),
        credentials: log.clone(),
        import: log,
        read_model: Arc::new(PostgresReadModel::new(database.pool.clone())),
        storage: Arc::new(PostgresStorage::new(database.pool.clone())),
        tracks: Arc::new(PostgresTracks::new(database.pool)),
        erasures: None,
        schema_version,
        close: Arc::new(move || {
            let pools = pools.clone();
            Box::pin(async move {
                for pool in pools {
                    pool.close().await;
                }
            })
        }),
    })
}
