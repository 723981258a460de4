//! The append in PostgreSQL: a batch becomes one call of `log.append`, which checks, numbers and writes.

use async_trait::async_trait;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::types::Json;
use sqlx::{Row, query};

use crate::adapters::batch;
use crate::adapters::combiner::Backend;
use crate::adapters::failure::Failure;
use crate::adapters::postgres::{facts, rows};
use crate::ports::event_store::{Append, AppendError, Appended, RecordedRequest, StoreError};

const APPEND: &str = "SELECT * FROM log.append(\
     $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";

type Outcome = Result<Appended, AppendError>;

pub struct Appender {
    pool: PgPool,
}

impl Appender {
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
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
        let per_command: Vec<_> = commands
            .iter()
            .map(|c| {
                (
                    c.stream_id,
                    c.expected_version,
                    c.events.len() as i32,
                    c.events[0].event_id,
                )
            })
            .collect();
        let events: Vec<_> = (1..)
            .zip(commands)
            .flat_map(|(n, command)| command.events.iter().zip(1..).map(move |e| (n, command, e)))
            .collect();
        let found = query(APPEND)
            .bind(per_command.iter().map(|c| c.0).collect::<Vec<_>>())
            .bind(per_command.iter().map(|c| c.1).collect::<Vec<_>>())
            .bind(per_command.iter().map(|c| c.2).collect::<Vec<_>>())
            .bind(per_command.iter().map(|c| c.3).collect::<Vec<_>>())
            .bind(events.iter().map(|(n, ..)| *n).collect::<Vec<i32>>())
            .bind(
                events
                    .iter()
                    .map(|(_, c, _)| c.stream_id)
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(_, c, (_, n))| c.expected_version + n)
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(_, _, (e, _))| e.kind)
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(_, _, (e, _))| e.schema)
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(_, _, (e, _))| e.event_id)
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(_, c, _)| c.command_id)
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(_, c, _)| c.causation_id)
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(_, c, _)| c.correlation_id)
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(_, c, _)| c.actor.as_str())
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(_, c, _)| rows::pg_time(c.recorded_at))
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(_, _, (e, _))| e.payload.as_slice())
                    .collect::<Vec<_>>(),
            )
            .bind(facts::of(commands).map(Json))
            .fetch_all(&self.pool)
            .await?;
        let mut outcomes = Vec::with_capacity(commands.len());
        for (command, row) in commands.iter().zip(&found) {
            outcomes.push(self.outcome(command, row).await?);
        }
        Ok(outcomes)
    }

    fn unavailable(error: StoreError) -> Outcome {
        Err(AppendError::Unavailable(error))
    }
}
