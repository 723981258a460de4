//! The event store in PostgreSQL.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{Row, query, query_scalar};
use tokio::sync::watch;
use uuid::Uuid;

use crate::adapters::combiner::Combiner;
use crate::adapters::known_head::KnownHead;
use crate::adapters::limits;
use crate::adapters::page::page;
use crate::adapters::postgres::append::Appender;
use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::database::Database;
use crate::adapters::postgres::rows;
use crate::adapters::postgres::streams::{Stream, StreamReader};
use crate::adapters::stores::OpenError;
use crate::ports::event_store::{
    Append, AppendError, Appended, ChainLink, EventStore, Head, RecordedEvent, RecordedRequest,
    StoreError, SubjectKey,
};

/// The log of one tenant with its credentials.
pub struct PostgresLog {
    pub(super) pool: Connections,
    appends: Combiner<Appender>,
    streams: Combiner<StreamReader>,
    known: KnownHead,
}

impl PostgresLog {
    pub async fn start(database: Database) -> Result<Self, OpenError> {
        let log = Self {
            appends: Combiner::start(Appender::new(database.writer)),
            streams: Combiner::start(StreamReader::new(database.pool.clone())),
            pool: database.pool,
            known: KnownHead::default(),
        };
        log.notice_restore().await.map_err(OpenError::Unreadable)?;
        log.head().await.map_err(OpenError::Unreadable)?;
        Ok(log)
    }

    async fn notice_restore(&self) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await?;
        let restored: bool = query("SELECT log.notice_restore()")
            .try_map(|row: PgRow| row.try_get(0))
            .fetch_one(&mut *connection)
            .await?;
        self.pool.keep(connection);
        if restored {
            tracing::warn!("the log was restored from a dump: it begins another epoch");
        }
        Ok(())
    }
}

#[async_trait]
impl EventStore for PostgresLog {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        limits::check(&append)?;
        let appended = self.appends.submit(append).await?;
        self.hint(appended.position);
        Ok(appended)
    }

    async fn read_stream(
        &self,
        stream_id: Uuid,
        after_version: i32,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let wanted = Stream {
            id: stream_id,
            after_version,
        };
        self.streams.submit(wanted).await
    }

    async fn read_after(
        &self,
        position: i64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let sql = "SELECT * FROM log.events WHERE position > $1 ORDER BY position LIMIT $2";
        let query = query(sql).bind(position).bind(limits::rows(limit));
        let mut connection = self.pool.acquire().await?;
        let events = query.try_map(rows::event).fetch(&mut *connection);
        let page = page(position, events).await?;
        self.pool.keep(connection);
        Ok(page)
    }

    async fn head(&self) -> Result<Head, StoreError> {
        let sql =
            "SELECT epoch, (SELECT coalesce(max(position), 0) FROM log.events) FROM log.log_epoch";
        let row = query(sql).fetch_one(&self.pool).await?;
        Ok(self.known.read(Head {
            epoch: row.try_get(0)?,
            position: row.try_get(1)?,
        }))
    }

    async fn chain_after(&self, position: i64, limit: usize) -> Result<Vec<ChainLink>, StoreError> {
        let sql = "SELECT position, hash FROM log.log_chain WHERE position > $1 ORDER BY position LIMIT $2";
        let query = query(sql).bind(position).bind(limits::rows(limit));
        let link = |row: PgRow| {
            Ok(ChainLink {
                position: row.try_get(0)?,
                hash: rows::bytes32(row.try_get(1)?)?,
            })
        };
        Ok(query.try_map(link).fetch_all(&self.pool).await?)
    }

    async fn request(&self, key: &[u8; 32]) -> Result<Option<RecordedRequest>, StoreError> {
        let query = query("SELECT * FROM log.commands WHERE key = $1").bind(&key[..]);
        Ok(query
            .try_map(rows::request)
            .fetch_optional(&self.pool)
            .await?)
    }

    async fn claim_owner(&self, claim: &[u8]) -> Result<Option<Uuid>, StoreError> {
        let query = query_scalar("SELECT owner FROM log.claims WHERE claim = $1").bind(claim);
        Ok(query.fetch_optional(&self.pool).await?)
    }

    async fn subject_keys(&self, subjects: &[Uuid]) -> Result<Vec<SubjectKey>, StoreError> {
        let sql = "SELECT subject, wrapped FROM log.subject_keys WHERE subject = ANY ($1)";
        let key = |row: PgRow| {
            Ok(SubjectKey {
                subject: row.try_get(0)?,
                wrapped: row.try_get(1)?,
            })
        };
        Ok(query(sql)
            .bind(subjects)
            .try_map(key)
            .fetch_all(&self.pool)
            .await?)
    }

    fn appended(&self) -> watch::Receiver<Head> {
        self.known.watch()
    }

    fn hint(&self, position: i64) {
        self.known.raise(position);
    }
}
