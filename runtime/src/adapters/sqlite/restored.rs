//! A log that ends before what was made of it is an older one that was put in its place.

use uuid::Uuid;

use crate::adapters::sqlite::database::Database;
use crate::ports::event_store::StoreError;

/// Begins another epoch where the read model knows more events than there are: what follows reuses their positions.
///
/// # Errors
/// When one of the files cannot be read, or the log cannot be written although it was restored.
pub async fn notice(log: &Database, read: &Database) -> Result<(), StoreError> {
    // Read first: another process may append and project meanwhile.
    let projected: Vec<(Uuid, i64)> = sqlx::query_as("SELECT epoch, position FROM checkpoints")
        .fetch_all(&read.reader)
        .await?;
    let head = "SELECT epoch, (SELECT coalesce(max(position), 0) FROM events) FROM log_epoch";
    let (epoch, head): (Uuid, i64) = sqlx::query_as(head).fetch_one(&log.reader).await?;
    let is_ahead = |(of, position): &(Uuid, i64)| *of == epoch && *position > head;
    if !projected.iter().any(is_ahead) {
        return Ok(());
    }
    tracing::warn!(
        "the log is older than what was made of it: it was restored, and begins another epoch"
    );
    let mut transaction = log.writer.begin().await?;
    sqlx::query("UPDATE log_epoch SET epoch = randomblob(16) WHERE epoch = ?")
        .bind(epoch)
        .execute(&mut *transaction)
        .await?;
    Ok(transaction.commit().await?)
}
