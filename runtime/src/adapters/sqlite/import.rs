//! The import of a whole log into SQLite: one transaction, however long.

use async_trait::async_trait;
use sqlx::QueryBuilder;

use crate::adapters::batch;
use crate::adapters::sqlite::append::insert_events;
use crate::adapters::sqlite::credentials;
use crate::adapters::sqlite::event_store::SqliteLog;
use crate::adapters::sqlite::writer::Transaction;
use crate::ports::credentials::CredentialChange;
use crate::ports::event_store::{ChainLink, RecordedEvent, StoreError, SubjectKey};
use crate::ports::log_import::{Beside, ImportError, ImportGuard, LogImport};

/// Rows of one statement: few sizes, so that few statements are prepared.
const CHUNKS: [usize; 3] = [64, 8, 1];

#[async_trait]
impl LogImport for SqliteLog {
    async fn begin(&self) -> Result<Box<dyn ImportGuard>, ImportError> {
        let unavailable = |error: sqlx::Error| ImportError::Unavailable(error.into());
        let mut transaction = self.database.writer.begin().await.map_err(unavailable)?;
        let sql = "SELECT coalesce(max(position), 0) FROM events";
        let head = sqlx::query_scalar(sql).fetch_one(&mut *transaction);
        match head.await.map_err(unavailable)? {
            0 => Ok(Box::new(Import { transaction })),
            head => Err(ImportError::NotEmpty { head }),
        }
    }
}

struct Import {
    transaction: Transaction,
}

#[async_trait]
impl ImportGuard for Import {
    async fn write(
        &mut self,
        events: &[RecordedEvent],
        links: &[ChainLink],
        keys: &[SubjectKey],
    ) -> Result<(), StoreError> {
        insert_events(&mut self.transaction, events).await?;
        for chunk in batch::chunks(links, &CHUNKS) {
            let mut query = QueryBuilder::new("INSERT INTO log_chain (position, hash) ");
            query.push_values(chunk, |mut row, link| {
                row.push_bind(link.position).push_bind(&link.hash[..]);
            });
            query.build().execute(&mut *self.transaction).await?;
        }
        for key in keys {
            sqlx::query("INSERT INTO subject_keys (subject, wrapped) VALUES (?, ?)")
                .bind(key.subject)
                .bind(&key.wrapped)
                .execute(&mut *self.transaction)
                .await?;
        }
        Ok(())
    }

    async fn commit(mut self: Box<Self>, beside: Beside) -> Result<(), StoreError> {
        let connection = &mut *self.transaction;
        for (claim, owner) in beside.claims {
            sqlx::query("INSERT INTO claims (claim, owner) VALUES (?, ?)")
                .bind(claim)
                .bind(owner)
                .execute(&mut *connection)
                .await?;
        }
        let changes: Vec<_> = beside
            .credentials
            .into_iter()
            .map(CredentialChange::Put)
            .collect();
        credentials::apply(connection, &changes).await?;
        sqlx::query("UPDATE log_epoch SET epoch = ?")
            .bind(beside.epoch)
            .execute(connection)
            .await?;
        Ok(self.transaction.commit().await?)
    }
}
