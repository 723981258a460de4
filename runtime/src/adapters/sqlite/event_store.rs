//! The event store in SQLite.

use async_trait::async_trait;
use sqlx::{QueryBuilder, Row};
use tokio::sync::watch;
use uuid::Uuid;

use crate::adapters::combiner::Combiner;
use crate::adapters::failure::store_error;
use crate::adapters::known_head::KnownHead;
use crate::adapters::limits;
use crate::adapters::page::page;
use crate::adapters::sqlite::append::Appender;
use crate::adapters::sqlite::database::Database;
use crate::adapters::sqlite::rows;
use crate::adapters::stores::OpenError;
use crate::ports::event_store::{
    Append, AppendError, Appended, ChainLink, EventStore, Head, RecordedEvent, RecordedRequest,
    StoreError, SubjectKey,
};

/// The log of one tenant with its credentials.
pub struct SqliteLog {
    pub(super) database: Database,
    combiner: Combiner<Appender>,
    known: KnownHead,
}

impl SqliteLog {
    pub async fn start(database: Database) -> Result<Self, OpenError> {
        let log = Self {
            combiner: Combiner::start(Appender::new(database.clone())),
            database,
            known: KnownHead::default(),
        };
        log.head().await.map_err(OpenError::Unreadable)?;
        Ok(log)
    }
}

#[async_trait]
impl EventStore for SqliteLog {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        limits::check(&append)?;
        let appended = self.combiner.submit(append).await?;
        self.hint(appended.position);
        Ok(appended)
    }

    async fn read_stream(
        &self,
        stream_id: Uuid,
        after_version: i32,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let sql = format!(
            "SELECT {} FROM events WHERE stream_id = ? AND version > ? ORDER BY version",
            rows::EVENT_COLUMNS
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(stream_id)
            .bind(after_version);
        let found = query.try_map(rows::event).fetch_all(&self.database.reader);
        found.await.map_err(store_error)
    }

    async fn read_after(
        &self,
        position: i64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let sql = format!(
            "SELECT {} FROM events WHERE position > ? ORDER BY position LIMIT ?",
            rows::EVENT_COLUMNS
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(position)
            .bind(limits::rows(limit));
        let events = query.try_map(rows::event).fetch(&self.database.reader);
        page(position, events).await
    }

    async fn head(&self) -> Result<Head, StoreError> {
        let sql = "SELECT epoch, (SELECT coalesce(max(position), 0) FROM events) FROM log_epoch";
        let row = sqlx::query(sql).fetch_one(&self.database.reader).await?;
        Ok(self.known.read(Head {
            epoch: row.try_get(0)?,
            position: row.try_get(1)?,
        }))
    }

    async fn chain_after(&self, position: i64, limit: usize) -> Result<Vec<ChainLink>, StoreError> {
        let sql =
            "SELECT position, hash FROM log_chain WHERE position > ? ORDER BY position LIMIT ?";
        let query = sqlx::query(sql).bind(position).bind(limits::rows(limit));
        let link = |row: sqlx::sqlite::SqliteRow| {
            Ok(ChainLink {
                position: row.try_get(0)?,
                hash: rows::bytes32(row.try_get(1)?)?,
            })
        };
        Ok(query.try_map(link).fetch_all(&self.database.reader).await?)
    }

    async fn request(&self, key: &[u8; 32]) -> Result<Option<RecordedRequest>, StoreError> {
        let query = sqlx::query("SELECT * FROM commands WHERE key = ?").bind(&key[..]);
        let found = query.try_map(rows::request);
        Ok(found.fetch_optional(&self.database.reader).await?)
    }

    async fn claim_owner(&self, claim: &[u8]) -> Result<Option<Uuid>, StoreError> {
        let query = sqlx::query_scalar("SELECT owner FROM claims WHERE claim = ?").bind(claim);
        Ok(query.fetch_optional(&self.database.reader).await?)
    }

    async fn subject_keys(&self, subjects: &[Uuid]) -> Result<Vec<SubjectKey>, StoreError> {
        let mut found = Vec::with_capacity(subjects.len());
        for chunk in subjects.chunks(500) {
            let mut query =
                QueryBuilder::new("SELECT subject, wrapped FROM subject_keys WHERE subject IN (");
            let mut list = query.separated(", ");
            for subject in chunk {
                list.push_bind(*subject);
            }
            query.push(")");
            let rows = query.build().fetch_all(&self.database.reader).await?;
            for row in rows {
                found.push(SubjectKey {
                    subject: row.try_get(0)?,
                    wrapped: row.try_get(1)?,
                });
            }
        }
        Ok(found)
    }

    fn appended(&self) -> watch::Receiver<Head> {
        self.known.watch()
    }

    fn hint(&self, position: i64) {
        self.known.raise(position);
    }
}
