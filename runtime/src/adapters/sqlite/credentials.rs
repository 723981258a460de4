//! Credentials in SQLite, beside the log.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::adapters::limits::{request_horizon, to_minute};
use crate::adapters::sqlite::event_store::SqliteLog;
use crate::adapters::sqlite::rows;
use crate::ports::credentials::{Credential, CredentialChange, CredentialKind, Credentials};
use crate::ports::event_store::StoreError;

#[async_trait]
impl Credentials for SqliteLog {
    async fn credential(
        &self,
        kind: CredentialKind,
        id: &str,
    ) -> Result<Option<Credential>, StoreError> {
        let query = sqlx::query("SELECT * FROM credentials WHERE kind = ? AND id = ?")
            .bind(kind as i16)
            .bind(id);
        let found = query.try_map(rows::credential);
        Ok(found.fetch_optional(&self.database.reader).await?)
    }

    async fn credentials_of(
        &self,
        kind: CredentialKind,
        subject: Uuid,
    ) -> Result<Vec<Credential>, StoreError> {
        let sql =
            "SELECT * FROM credentials WHERE kind = ? AND subject = ? ORDER BY created_at, id";
        let query = sqlx::query(sql).bind(kind as i16).bind(subject);
        let found = query.try_map(rows::credential);
        Ok(found.fetch_all(&self.database.reader).await?)
    }

    async fn change(&self, changes: Vec<CredentialChange>) -> Result<(), StoreError> {
        let mut transaction = self.database.writer.begin().await?;
        apply(&mut transaction, &changes).await?;
        Ok(transaction.commit().await?)
    }

    async fn take(&self, kind: CredentialKind, id: &str) -> Result<Option<Credential>, StoreError> {
        let query = sqlx::query("DELETE FROM credentials WHERE kind = ? AND id = ? RETURNING *")
            .bind(kind as i16)
            .bind(id);
        let taken = query.try_map(rows::credential);
        let mut writing = self.database.writer.acquire().await?;
        // To the end: what is not read to its end is committed where nobody sees it fail.
        let mut taken = taken.fetch_all(&mut *writing).await?;
        writing.release();
        Ok(taken.pop())
    }

    async fn replace_verifier(
        &self,
        kind: CredentialKind,
        id: &str,
        old: &[u8],
        new: &[u8],
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE credentials SET verifier = ? WHERE kind = ? AND id = ? AND verifier = ?";
        let query = sqlx::query(sql)
            .bind(new)
            .bind(kind as i16)
            .bind(id)
            .bind(old);
        Ok(self.write(query).await? == 1)
    }

    async fn touch(
        &self,
        kind: CredentialKind,
        id: &str,
        used_at: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE credentials SET last_used_at = ?1 \
             WHERE kind = ?2 AND id = ?3 AND (last_used_at IS NULL OR last_used_at < ?1)";
        let query = sqlx::query(sql)
            .bind(to_minute(used_at).as_microsecond())
            .bind(kind as i16)
            .bind(id);
        self.write(query).await?;
        Ok(())
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut transaction = self.database.writer.begin().await?;
        let expired = sqlx::query("DELETE FROM credentials WHERE expires_at < ?")
            .bind(now.as_microsecond())
            .execute(&mut *transaction)
            .await?;
        let forgotten = sqlx::query("DELETE FROM commands WHERE recorded_at < ?")
            .bind(request_horizon(now).as_microsecond())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(expired.rows_affected() + forgotten.rows_affected())
    }
}

impl SqliteLog {
    /// The number of rows that one statement changed.
    async fn write(&self, query: Query<'_>) -> Result<u64, sqlx::Error> {
        let mut writing = self.database.writer.acquire().await?;
        let done = query.execute(&mut *writing).await?;
        writing.release();
        Ok(done.rows_affected())
    }
}

/// Applies the changes in order, within the caller's transaction.
pub async fn apply(
    connection: &mut SqliteConnection,
    changes: &[CredentialChange],
) -> Result<(), sqlx::Error> {
    for change in changes {
        let query = match change {
            CredentialChange::Put(credential) => put(credential),
            CredentialChange::Erase { subject } => {
                sqlx::query("DELETE FROM subject_keys WHERE subject = ?")
                    .bind(*subject)
                    .execute(&mut *connection)
                    .await?;
                forget_requests(*subject)
            }
            CredentialChange::Delete { kind, id } => {
                sqlx::query("DELETE FROM credentials WHERE kind = ? AND id = ?")
                    .bind(*kind as i16)
                    .bind(id)
            }
            CredentialChange::DeleteAll { kind, subject } => {
                sqlx::query("DELETE FROM credentials WHERE kind = ? AND subject = ?")
                    .bind(*kind as i16)
                    .bind(*subject)
            }
        };
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn forget_requests(subject: Uuid) -> Query<'static> {
    let sql = "DELETE FROM commands WHERE stream_id = ?1 OR position IN ( \
         SELECT e.position FROM commands c JOIN events e ON e.position = c.position \
         WHERE e.actor = 'user:' || ?2 OR e.actor LIKE 'user:' || ?2 || '/key:%')";
    sqlx::query(sql).bind(subject).bind(subject.to_string())
}

fn put(credential: &Credential) -> Query<'_> {
    let sql = "INSERT OR REPLACE INTO credentials \
         (kind, id, subject, verifier, data, created_at, expires_at, last_used_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(credential.kind as i16)
        .bind(&credential.id)
        .bind(credential.subject)
        .bind(&credential.verifier)
        .bind(credential.data.to_string())
        .bind(credential.created_at.as_microsecond())
        .bind(credential.expires_at.map(Timestamp::as_microsecond))
        .bind(credential.last_used_at.map(Timestamp::as_microsecond))
}
