//! Reading streams: requests that wait together are answered by one statement, as appends are by one commit.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{Row, query};
use uuid::Uuid;

use crate::adapters::combiner::Backend;
use crate::adapters::failure::Failure;
use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::rows;
use crate::ports::event_store::{RecordedEvent, StoreError};

const ONE: &str = "SELECT * FROM log.events WHERE stream_id = $1 AND version > $2 ORDER BY version";

/// Laterally: each stream by its index, however many are asked for. The request's number comes behind the columns.
const MANY: &str = "SELECT e.*, r.n FROM unnest($1::uuid[], $2::int[]) WITH ORDINALITY AS r(stream, after, n) \
     CROSS JOIN LATERAL (SELECT * FROM log.events WHERE stream_id = r.stream AND version > r.after ORDER BY version) e";
const NUMBER: &str = "n";

/// The part of a stream that somebody wants.
pub struct Stream {
    pub id: Uuid,
    pub after_version: i32,
}

pub struct StreamReader {
    pool: Connections,
}

impl StreamReader {
    pub fn new(pool: Connections) -> Self {
        Self { pool }
    }

    async fn read(&self, streams: &[Stream]) -> Result<Vec<Vec<RecordedEvent>>, Failure> {
        Ok(match streams {
            [stream] => vec![self.one(stream).await?],
            streams => self.many(streams).await?,
        })
    }

    async fn one(&self, stream: &Stream) -> Result<Vec<RecordedEvent>, sqlx::Error> {
        let query = query(ONE).bind(stream.id).bind(stream.after_version);
        query.try_map(rows::event).fetch_all(&self.pool).await
    }

    async fn many(&self, streams: &[Stream]) -> Result<Vec<Vec<RecordedEvent>>, sqlx::Error> {
        let ids: Vec<_> = streams.iter().map(|stream| stream.id).collect();
        let after: Vec<_> = streams.iter().map(|stream| stream.after_version).collect();
        let numbered = |row: PgRow| Ok((row.try_get::<i64, _>(NUMBER)?, rows::event(row)?));
        let query = query(MANY).bind(ids).bind(after).try_map(numbered);
        let mut found: Vec<_> = streams.iter().map(|_| Vec::new()).collect();
        for (number, event) in query.fetch_all(&self.pool).await? {
            let of = usize::try_from(number - 1).ok();
            let of = of.and_then(|index| found.get_mut(index));
            of.ok_or(sqlx::Error::RowNotFound)?.push(event);
        }
        // A lateral join promises no order of its rows.
        for events in &mut found {
            events.sort_by_key(|event| event.version);
        }
        Ok(found)
    }
}

#[async_trait]
impl Backend for StreamReader {
    type Command = Stream;
    type Answer = Result<Vec<RecordedEvent>, StoreError>;

    /// Reads stand in nobody's way.
    fn keys(_: &Stream) -> Vec<u64> {
        Vec::new()
    }

    fn weight(_: &Stream) -> usize {
        0
    }

    async fn execute(&self, streams: &[Stream]) -> Result<Vec<Self::Answer>, Failure> {
        let found = self.pool.in_time(self.read(streams)).await?;
        Ok(found.into_iter().map(Ok).collect())
    }

    fn unavailable(error: StoreError) -> Self::Answer {
        Err(error)
    }
}
