//! The size of an airline's SQLite files.

use std::io::ErrorKind;
use std::path::PathBuf;

use async_trait::async_trait;

use crate::ports::event_store::StoreError;
use crate::ports::storage::Storage;

/// Three files and their write-ahead logs: what they take on disk, pages that are free among it, and no connection
/// is opened to find out.
pub struct SqliteStorage {
    files: Vec<PathBuf>,
}

impl SqliteStorage {
    pub fn of(databases: impl IntoIterator<Item = PathBuf>) -> Self {
        let files = databases.into_iter();
        let files = files.flat_map(|file| [file.with_extension("db-wal"), file]);
        Self {
            files: files.collect(),
        }
    }
}

#[async_trait]
impl Storage for SqliteStorage {
    async fn size(&self) -> Result<u64, StoreError> {
        let mut size = 0;
        for file in &self.files {
            match tokio::fs::metadata(file).await {
                Ok(metadata) => size += metadata.len(),
                // A write-ahead log goes with its last connection.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(size)
    }
}
