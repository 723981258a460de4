//! Why an export cannot be written or read.

use std::io;

use crate::adapters::chain::VerifyError;
use crate::ports::event_store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("this is no export of Albatross")]
    NotAnExport,
    #[error("the export has format {0}, this executable knows 1: use a newer one")]
    UnknownVersion(u32),
    #[error("the export ends after line {lines}, behind position {position}: the rest is missing")]
    Truncated { lines: u64, position: i64 },
    #[error("line {line}, behind position {position}, is not as it was written: {reason}")]
    Line {
        line: u64,
        position: i64,
        reason: String,
    },
    #[error(transparent)]
    Log(#[from] VerifyError),
    #[error("the storage cannot be read: {0}")]
    Unreadable(#[source] StoreError),
    #[error("the file cannot be read or written: {0}")]
    File(#[from] io::Error),
}
