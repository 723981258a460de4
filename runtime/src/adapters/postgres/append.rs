//! The append in PostgreSQL: optimistic at first, else by `log.append`, which checks, numbers and writes.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{Row, query};

use crate::adapters::batch;
use crate::adapters::combiner::Backend;
use crate::adapters::failure::Failure;
use crate::adapters::postgres::columns::Columns;
use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::optimistic::Optimistic;
use crate::adapters::postgres::{facts, rows};
use crate::ports::event_store::{Append, AppendError, Appended, RecordedRequest, StoreError};

const APPEND: &str = "SELECT * FROM log.append(\
     $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";

type Outcome = Result<Appended, AppendError>;

pub struct Appender {
    pool: Connections,
    optimistic: Optimistic,
}

impl Appender {
    pub fn new(pool: Connections) -> Self {
        let optimistic = Optimistic::new(pool.clone());
        Self { pool, optimistic }
    }

    /// The short way first.
    async fn try_append(&self, commands: &[Append]) -> Result<Vec<Outcome>, Failure> {
        match self.optimistic.append(commands).await? {
            Some(appended) => Ok(appended.into_iter().map(Ok).collect()),
            None => self.append(commands).await,
        }
    }

    /// By the function of the database, which finds for each command what stands against it.
    async fn append(&self, commands: &[Append]) -> Result<Vec<Outcome>, Failure> {
        let streams: Vec<_> = commands.iter().map(|c| c.stream_id).collect();
        let expected: Vec<_> = commands.iter().map(|c| c.expected_version).collect();
        let counts: Vec<_> = commands.iter().map(|c| c.events.len() as i32).collect();
        let first_events: Vec<_> = commands.iter().map(|c| c.events[0].event_id).collect();
        let whose = (1..).zip(&counts);
        let whose = whose.flat_map(|(n, count)| (0..*count).map(move |_| n));
        let query = query(APPEND)
            .bind(streams)
            .bind(expected)
            .bind(&counts)
            .bind(first_events)
            .bind(whose.collect::<Vec<i32>>());
        let query = Columns::of(commands).bind(query);
        let found = query
            .bind(facts::of(commands).map(Json))
            .fetch_all(&self.pool)
            .await?;
        let mut outcomes = Vec::with_capacity(commands.len());
        for (command, row) in commands.iter().zip(&found) {
            outcomes.push(self.outcome(command, row).await?);
        }
        Ok(outcomes)
    }

    async fn outcome(&self, command: &Append, row: &PgRow) -> Result<Outcome, sqlx::Error> {
        Ok(match row.try_get::<i16, _>(0)? {
            0 | 1 => Ok(Appended {
                version: row.try_get(1)?,
                position: row.try_get(2)?,
            }),
            2 => Err(AppendError::RequestRepeated(self.request(command).await?)),
            3 => Err(AppendError::Conflict {
                actual: row.try_get(1)?,
            }),
            4 => Err(AppendError::ClaimTaken {
                claim: row.try_get(3)?,
                owner: row.try_get(4)?,
            }),
            other => return Err(sqlx::Error::Decode(format!("outcome {other}").into())),
        })
    }

    async fn request(&self, command: &Append) -> Result<RecordedRequest, sqlx::Error> {
        let key = command.request.as_ref().map(|request| &request.key[..]);
        query("SELECT * FROM log.commands WHERE key = $1")
            .bind(key)
            .try_map(rows::request)
            .fetch_one(&self.pool)
            .await
    }
}

#[async_trait]
impl Backend for Appender {
    type Command = Append;
    type Answer = Outcome;

    fn keys(command: &Append) -> Vec<u64> {
        batch::keys(command)
    }

    fn weight(command: &Append) -> usize {
        batch::weight(command)
    }

    async fn execute(&self, commands: &[Append]) -> Result<Vec<Outcome>, Failure> {
        self.pool.in_time(self.try_append(commands)).await
    }

    fn unavailable(error: StoreError) -> Outcome {
        Err(AppendError::Unavailable(error))
    }
}
