//! Whether a failed statement may succeed alone, or the whole database is away.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

use crate::ports::event_store::{StoreError, Undecodable};

/// After this a server counts as away: a batch takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a batch was not, or perhaps not, executed.
#[derive(Debug)]
pub enum Failure {
    /// The database is away: whatever follows fails too.
    Unreachable(StoreError),
    /// This batch failed; each of its commands may fare better alone.
    Failed(StoreError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        if is_unreachable(&error) {
            Self::Unreachable(error.into())
        } else {
            Self::Failed(store_error(error))
        }
    }
}

/// Tells what cannot be decoded from a storage that is unavailable.
pub fn store_error(error: sqlx::Error) -> StoreError {
    match is_undecodable(&error) {
        true => Undecodable(error.to_string()).into(),
        false => error.into(),
    }
}

/// Whether something was read that is no value of its type.
pub fn is_undecodable(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }
    )
}

/// What a server says, unless it says nothing: others wait behind it.
pub async fn in_time<T>(batch: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let answered = timeout(PATIENCE, batch).await;
    answered.unwrap_or_else(|silence| Err(Failure::Unreachable(silence.into())))
}

fn is_unreachable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // PostgreSQL: connection exceptions, too many connections, shutting down or starting up.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            let postgres = code.starts_with("08") || code.starts_with("57P") || code == "53300";
            postgres || is_sqlite_away(&code)
        }),
        _ => false,
    }
}

/// Locked by another process, read-only, failing or full (<https://sqlite.org/rescode.html>): nobody else fares better.
/// A code of PostgreSQL has five characters.
fn is_sqlite_away(code: &str) -> bool {
    let code = (code.len() < 5).then(|| code.parse::<u32>().ok()).flatten();
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13))
}
