//! The import of a whole log into PostgreSQL: one transaction, however long.

use async_trait::async_trait;
use serde_json::Value;
use sqlx::postgres::Postgres;
use sqlx::types::Json;
use sqlx::{Transaction, query, query_scalar};
use uuid::Uuid;

use crate::adapters::postgres::event_store::PostgresLog;
use crate::adapters::postgres::{facts, rows};
use crate::ports::credentials::CredentialChange;
use crate::ports::event_store::{ChainLink, RecordedEvent, StoreError, SubjectKey};
use crate::ports::log_import::{Beside, ImportError, ImportGuard, LogImport};

/// The lock under which `log.append` gives positions.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7021799003)";
const EVENTS: &str = "INSERT INTO log.events SELECT * FROM unnest(\
     $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

#[async_trait]
impl LogImport for PostgresLog {
    async fn begin(&self) -> Result<Box<dyn ImportGuard>, ImportError> {
        let unavailable = |error: sqlx::Error| ImportError::Unavailable(error.into());
        let mut transaction = self.pool.begin().await.map_err(unavailable)?;
        let permitted = "SELECT has_table_privilege('log.log_epoch', 'UPDATE')";
        let permitted = query_scalar(permitted).fetch_one(&mut *transaction);
        if !permitted.await.map_err(unavailable)? {
            return Err(ImportError::NotPermitted);
        }
        let lock = query(LOCK).execute(&mut *transaction);
        lock.await.map_err(unavailable)?;
        let head = "SELECT coalesce(max(position), 0) FROM log.events";
        let head = query_scalar(head).fetch_one(&mut *transaction);
        match head.await.map_err(unavailable)? {
            0 => Ok(Box::new(Import { transaction })),
            head => Err(ImportError::NotEmpty { head }),
        }
    }
}

struct Import {
    transaction: Transaction<'static, Postgres>,
}

#[async_trait]
impl ImportGuard for Import {
    async fn write(
        &mut self,
        events: &[RecordedEvent],
        links: &[ChainLink],
        keys: &[SubjectKey],
    ) -> Result<(), StoreError> {
        fn each<'a, T>(
            events: &'a [RecordedEvent],
            value: impl Fn(&'a RecordedEvent) -> T,
        ) -> Vec<T> {
            events.iter().map(value).collect()
        }
        query(EVENTS)
            .bind(each(events, |e| e.position))
            .bind(each(events, |e| e.stream_id))
            .bind(each(events, |e| e.version))
            .bind(each(events, |e| e.kind))
            .bind(each(events, |e| e.schema))
            .bind(each(events, |e| e.event_id))
            .bind(each(events, |e| e.command_id))
            .bind(each(events, |e| e.causation_id))
            .bind(each(events, |e| e.correlation_id))
            .bind(each(events, |e| e.actor.as_str()))
            .bind(each(events, |e| rows::pg_time(e.recorded_at)))
            .bind(each(events, |e| e.payload.as_slice()))
            .execute(&mut *self.transaction)
            .await?;
        query("INSERT INTO log.log_chain SELECT * FROM unnest($1::bigint[], $2::bytea[])")
            .bind(links.iter().map(|it| it.position).collect::<Vec<_>>())
            .bind(links.iter().map(|it| &it.hash[..]).collect::<Vec<_>>())
            .execute(&mut *self.transaction)
            .await?;
        query("INSERT INTO log.subject_keys SELECT * FROM unnest($1::uuid[], $2::bytea[])")
            .bind(keys.iter().map(|it| it.subject).collect::<Vec<_>>())
            .bind(keys.iter().map(|it| &it.wrapped[..]).collect::<Vec<_>>())
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    async fn commit(mut self: Box<Self>, beside: Beside) -> Result<(), StoreError> {
        let connection = &mut *self.transaction;
        let (claims, owners): (Vec<Vec<u8>>, Vec<Uuid>) = beside.claims.into_iter().unzip();
        query("INSERT INTO log.claims SELECT * FROM unnest($1::bytea[], $2::uuid[])")
            .bind(claims)
            .bind(owners)
            .execute(&mut *connection)
            .await?;
        let credentials = beside.credentials.into_iter().map(CredentialChange::Put);
        let credentials: Vec<Value> = credentials.map(|put| facts::credential(&put)).collect();
        query("SELECT log.change_credentials($1)")
            .bind(Json(credentials))
            .execute(&mut *connection)
            .await?;
        query("UPDATE log.log_epoch SET epoch = $1")
            .bind(beside.epoch)
            .execute(connection)
            .await?;
        Ok(self.transaction.commit().await?)
    }
}
