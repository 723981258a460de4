//! Credentials in PostgreSQL, beside the log.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, query};
use uuid::Uuid;

use crate::adapters::limits::{request_horizon, to_minute};
use crate::adapters::postgres::event_store::PostgresLog;
use crate::adapters::postgres::rows::CREDENTIAL_COLUMNS;
use crate::adapters::postgres::{facts, rows};
use crate::ports::credentials::{Credential, CredentialChange, CredentialKind, Credentials};
use crate::ports::event_store::StoreError;

#[async_trait]
impl Credentials for PostgresLog {
    async fn credential(
        &self,
        kind: CredentialKind,
        id: &str,
    ) -> Result<Option<Credential>, StoreError> {
        let sql =
            format!("SELECT {CREDENTIAL_COLUMNS} FROM log.credentials WHERE kind = $1 AND id = $2");
        let query = query(AssertSqlSafe(sql)).bind(kind as i16).bind(id);
        Ok(query
            .try_map(rows::credential)
            .fetch_optional(&self.pool)
            .await?)
    }

    async fn credentials_of(
        &self,
        kind: CredentialKind,
        subject: Uuid,
    ) -> Result<Vec<Credential>, StoreError> {
        let sql = format!(
            "SELECT {CREDENTIAL_COLUMNS} FROM log.credentials \
             WHERE kind = $1 AND subject = $2 ORDER BY created_at, id"
        );
        let query = query(AssertSqlSafe(sql)).bind(kind as i16).bind(subject);
        Ok(query
            .try_map(rows::credential)
            .fetch_all(&self.pool)
            .await?)
    }

    async fn change(&self, changes: Vec<CredentialChange>) -> Result<(), StoreError> {
        let changes: Vec<_> = changes.iter().map(facts::credential).collect();
        let query = query("SELECT log.change_credentials($1)").bind(Json(changes));
        query.execute(&self.pool).await?;
        Ok(())
    }

    async fn take(&self, kind: CredentialKind, id: &str) -> Result<Option<Credential>, StoreError> {
        let sql = format!(
            "DELETE FROM log.credentials WHERE kind = $1 AND id = $2 RETURNING {CREDENTIAL_COLUMNS}"
        );
        let query = query(AssertSqlSafe(sql)).bind(kind as i16).bind(id);
        Ok(query
            .try_map(rows::credential)
            .fetch_optional(&self.pool)
            .await?)
    }

    async fn replace_verifier(
        &self,
        kind: CredentialKind,
        id: &str,
        old: &[u8],
        new: &[u8],
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE log.credentials SET verifier = $4 WHERE kind = $1 AND id = $2 AND verifier = $3";
        let query = query(sql).bind(kind as i16).bind(id).bind(old).bind(new);
        Ok(query.execute(&self.pool).await?.rows_affected() == 1)
    }

    async fn touch(
        &self,
        kind: CredentialKind,
        id: &str,
        used_at: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE log.credentials SET last_used_at = $3 \
             WHERE kind = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $3)";
        let used_at = rows::pg_time(to_minute(used_at));
        let query = query(sql).bind(kind as i16).bind(id).bind(used_at);
        query.execute(&self.pool).await?;
        Ok(())
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        let expired = query("DELETE FROM log.credentials WHERE expires_at < $1")
            .bind(rows::pg_time(now))
            .execute(&self.pool)
            .await?;
        let forgotten = query("DELETE FROM log.commands WHERE recorded_at < $1")
            .bind(rows::pg_time(request_horizon(now)))
            .execute(&self.pool)
            .await?;
        Ok(expired.rows_affected() + forgotten.rows_affected())
    }
}
