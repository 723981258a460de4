//! A log that lies in another file than it was written in, or ends before what was made of it, was put back.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use uuid::Uuid;

use crate::adapters::sqlite::database::Database;
use crate::ports::event_store::StoreError;

/// Begins another epoch for a log that was put back, the file `path`: what follows may reuse positions.
///
/// # Errors
/// When one of the files cannot be read, or the log cannot be written although it was put back.
pub async fn notice(path: &Path, log: &Database, read: &Database) -> Result<(), StoreError> {
    let file = born(path)?;
    // Read first: another process may append and project meanwhile.
    let projected: Vec<(Uuid, i64)> = sqlx::query_as("SELECT epoch, position FROM checkpoints")
        .fetch_all(&read.reader)
        .await?;
    let known =
        "SELECT epoch, file, (SELECT coalesce(max(position), 0) FROM events) FROM log_epoch";
    let known = sqlx::query_as(known).fetch_one(&log.reader).await?;
    let (epoch, written_in, head): (Uuid, Option<String>, i64) = known;
    let is_ahead = |(of, position): &(Uuid, i64)| *of == epoch && *position > head;
    // An earlier release noted no file.
    let is_other = written_in.as_ref().is_some_and(|it| *it != file);
    let restored = is_other || projected.iter().any(is_ahead);
    if !restored && written_in.is_some() {
        return Ok(());
    }
    if restored {
        tracing::warn!("the log was restored, copied or moved: it begins another epoch");
    }
    let noted =
        "UPDATE log_epoch SET file = ?, epoch = iif(?, randomblob(16), epoch) WHERE epoch = ?";
    let mut transaction = log.writer.begin().await?;
    sqlx::query(noted)
        .bind(file)
        .bind(restored)
        .bind(epoch)
        .execute(&mut *transaction)
        .await?;
    Ok(transaction.commit().await?)
}

/// What a copy does not bring along, and neither a restart nor `VACUUM` changes: the file's number, which may be given again
/// once the file is gone, and when it began, where that is told. Not its disk, whose number may be another after a restart.
fn born(path: &Path) -> io::Result<String> {
    let file = path.metadata()?;
    let began = file.created().ok();
    let began = began.and_then(|began| began.duration_since(UNIX_EPOCH).ok());
    let began = began.map_or(0, |began| began.as_nanos());
    Ok(format!("{}/{began}", file.ino()))
}
