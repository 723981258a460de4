//! The size of a PostgreSQL database, as its server counts it.

use async_trait::async_trait;
use sqlx::query_scalar;

use crate::adapters::failure::Failure;
use crate::adapters::postgres::connections::Connections;
use crate::ports::event_store::StoreError;
use crate::ports::storage::Storage;

/// The database of one tenant, with all of its schemas and indexes.
pub struct PostgresStorage {
    pool: Connections,
}

impl PostgresStorage {
    pub fn new(pool: Connections) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl Storage for PostgresStorage {
    async fn size(&self) -> Result<u64, StoreError> {
        let query = query_scalar::<_, i64>("SELECT pg_database_size(current_database())");
        let size = async { Ok(query.fetch_one(&self.pool).await?) };
        match self.pool.in_time(size).await {
            Ok(size) => Ok(u64::try_from(size)?),
            Err(Failure::Unreachable(error) | Failure::Failed(error)) => Err(error),
        }
    }
}
