//! The append in SQLite: check every command first, then write what was accepted, in one transaction.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};
use uuid::Uuid;

use crate::adapters::combiner::Backend;
use crate::adapters::failure::{Failure, in_time};
use crate::adapters::sqlite::credentials;
use crate::adapters::sqlite::database::Database;
use crate::adapters::sqlite::rows;
use crate::adapters::sqlite::single::Single;
use crate::adapters::{batch, chain};
use crate::ports::event_store::{
    Append, AppendError, Appended, ChainLink, ClaimChange, RecordedEvent, StoreError,
};

/// Rows of one statement: few sizes, so that few statements are prepared, and few statements for any number of rows,
/// since each is sent to the connection's thread by itself.
const CHUNKS: [usize; 9] = [256, 128, 64, 32, 16, 8, 4, 2, 1];

type Outcome = Result<Appended, AppendError>;

pub struct Appender {
    database: Database,
    single: Single,
}

impl Appender {
    pub fn new(database: Database) -> Self {
        let single = Single::default();
        Self { database, single }
    }

    /// Looks at each command, and writes those against which nothing stands.
    async fn append(&self, commands: &[Append]) -> Result<Vec<Outcome>, sqlx::Error> {
        let mut transaction = self.database.writer.begin().await?;
        let mut head = head(&mut transaction).await?;
        let versions = versions(&mut transaction, commands).await?;
        let mut outcomes = Vec::with_capacity(commands.len());
        let (mut events, mut accepted) = (Vec::new(), Vec::new());
        for command in commands {
            let actual = versions.get(&command.stream_id).copied().unwrap_or(0);
            let outcome = match admit(&mut transaction, command, actual).await? {
                Admission::Accepted => {
                    events.extend(batch::record(command, head.position + events.len() as i64));
                    let appended = Appended {
                        version: actual + command.events.len() as i32,
                        position: head.position + events.len() as i64,
                    };
                    accepted.push((command, appended));
                    Ok(appended)
                }
                Admission::Repeated(appended) => Ok(appended),
                Admission::Refused(refusal) => Err(refusal),
            };
            outcomes.push(outcome);
        }
        if !events.is_empty() {
            head = write_events(&mut transaction, &head, &events).await?;
        }
        // Behind all events: an erasure tells by them whose requests there are.
        for (command, appended) in accepted {
            write_facts(&mut transaction, command, appended).await?;
        }
        transaction.commit().await?;
        self.single.remember(head);
        Ok(outcomes)
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
        let execute = async {
            if let [command] = commands
                && let Some(appended) = self.single.append(&self.database.writer, command).await?
            {
                return Ok(vec![Ok(appended)]);
            }
            Ok(self.append(commands).await?)
        };
        in_time(execute).await
    }

    fn unavailable(error: StoreError) -> Outcome {
        Err(AppendError::Unavailable(error))
    }
}

enum Admission {
    Accepted,
    Repeated(Appended),
    Refused(AppendError),
}

/// The last link: every commit writes one with its last position.
async fn head(connection: &mut SqliteConnection) -> Result<ChainLink, sqlx::Error> {
    let sql = "SELECT position, hash FROM log_chain ORDER BY position DESC LIMIT 1";
    match sqlx::query(sql).fetch_optional(connection).await? {
        Some(row) => Ok(ChainLink {
            position: row.try_get(0)?,
            hash: rows::bytes32(row.try_get(1)?)?,
        }),
        None => Ok(ChainLink {
            position: 0,
            hash: chain::GENESIS,
        }),
    }
}

async fn versions(
    connection: &mut SqliteConnection,
    commands: &[Append],
) -> Result<HashMap<Uuid, i32>, sqlx::Error> {
    let mut versions = HashMap::with_capacity(commands.len());
    for chunk in batch::chunks(commands, &CHUNKS) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT stream_id, max(version) FROM events WHERE stream_id IN (",
        );
        let mut list = query.separated(", ");
        for command in chunk {
            list.push_bind(command.stream_id);
        }
        query.push(") GROUP BY stream_id");
        for row in query.build().fetch_all(&mut *connection).await? {
            versions.insert(row.try_get(0)?, row.try_get(1)?);
        }
    }
    Ok(versions)
}

async fn admit(
    connection: &mut SqliteConnection,
    command: &Append,
    actual: i32,
) -> Result<Admission, sqlx::Error> {
    if actual > command.expected_version
        && let Some(appended) = repeated(connection, command).await?
    {
        return Ok(Admission::Repeated(appended));
    }
    if let Some(request) = &command.request {
        let query = sqlx::query("SELECT * FROM commands WHERE key = ?").bind(&request.key[..]);
        let found = query.try_map(rows::request);
        if let Some(recorded) = found.fetch_optional(&mut *connection).await? {
            return Ok(Admission::Refused(AppendError::RequestRepeated(recorded)));
        }
    }
    if actual != command.expected_version {
        return Ok(Admission::Refused(AppendError::Conflict { actual }));
    }
    for change in &command.claims {
        if let ClaimChange::Take { claim, owner } = change {
            let query =
                sqlx::query_scalar("SELECT owner FROM claims WHERE claim = ?").bind(&claim[..]);
            let holder: Option<Uuid> = query.fetch_optional(&mut *connection).await?;
            if let Some(holder) = holder.filter(|holder| holder != owner) {
                return Ok(Admission::Refused(AppendError::ClaimTaken {
                    claim: claim.clone(),
                    owner: holder,
                }));
            }
        }
    }
    for key in &command.subject_keys {
        let sql = "SELECT wrapped FROM subject_keys WHERE subject = ?";
        let query = sqlx::query_scalar(sql).bind(key.subject);
        let known: Option<Vec<u8>> = query.fetch_optional(&mut *connection).await?;
        if known.is_some_and(|wrapped| wrapped != key.wrapped) {
            return Ok(Admission::Refused(AppendError::Conflict { actual }));
        }
    }
    Ok(Admission::Accepted)
}

/// The first answer, if these very events are in the log.
async fn repeated(
    connection: &mut SqliteConnection,
    command: &Append,
) -> Result<Option<Appended>, sqlx::Error> {
    let sql = "SELECT event_id, position FROM events WHERE stream_id = ? AND version > ? AND version <= ? ORDER BY version";
    let version = command.expected_version + command.events.len() as i32;
    let written: Vec<(Uuid, i64)> = sqlx::query_as(sql)
        .bind(command.stream_id)
        .bind(command.expected_version)
        .bind(version)
        .fetch_all(connection)
        .await?;
    let ids = command.events.iter().map(|event| event.event_id);
    let same = written.iter().map(|(id, _)| *id).eq(ids);
    let last = written.last().filter(|_| same);
    Ok(last.map(|&(_, position)| Appended { version, position }))
}

async fn write_events(
    connection: &mut SqliteConnection,
    head: &ChainLink,
    events: &[RecordedEvent],
) -> Result<ChainLink, sqlx::Error> {
    insert_events(connection, events).await?;
    let link = ChainLink {
        position: head.position + events.len() as i64,
        hash: chain::link(&head.hash, events),
    };
    sqlx::query("INSERT INTO log_chain (position, hash) VALUES (?, ?)")
        .bind(link.position)
        .bind(&link.hash[..])
        .execute(connection)
        .await?;
    Ok(link)
}

/// Writes rows of the log, within the caller's transaction.
pub async fn insert_events(
    connection: &mut SqliteConnection,
    events: &[RecordedEvent],
) -> Result<(), sqlx::Error> {
    for chunk in batch::chunks(events, &CHUNKS) {
        let mut query =
            QueryBuilder::<Sqlite>::new(format!("INSERT INTO events ({}) ", rows::EVENT_COLUMNS));
        query.push_values(chunk, |mut row, event| {
            row.push_bind(event.position)
                .push_bind(event.stream_id)
                .push_bind(event.version)
                .push_bind(event.kind)
                .push_bind(event.schema)
                .push_bind(event.event_id)
                .push_bind(event.command_id)
                .push_bind(event.causation_id)
                .push_bind(event.correlation_id)
                .push_bind(&event.actor)
                .push_bind(event.recorded_at.as_microsecond())
                .push_bind(&event.payload);
        });
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// What stands beside the events and counts from the same moment.
async fn write_facts(
    connection: &mut SqliteConnection,
    command: &Append,
    appended: Appended,
) -> Result<(), sqlx::Error> {
    for change in &command.claims {
        let (sql, claim, owner) = match change {
            ClaimChange::Take { claim, owner } => (
                "INSERT INTO claims (claim, owner) VALUES (?, ?) ON CONFLICT DO NOTHING",
                claim,
                owner,
            ),
            ClaimChange::Release { claim, owner } => (
                "DELETE FROM claims WHERE claim = ? AND owner = ?",
                claim,
                owner,
            ),
        };
        let query = sqlx::query(sql).bind(&claim[..]).bind(*owner);
        query.execute(&mut *connection).await?;
    }
    if let Some(request) = &command.request {
        let sql = "INSERT INTO commands (key, body_digest, secret, stream_id, version, position, recorded_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?)";
        sqlx::query(sql)
            .bind(&request.key[..])
            .bind(&request.body_digest[..])
            .bind(request.secret)
            .bind(command.stream_id)
            .bind(appended.version)
            .bind(appended.position)
            .bind(command.recorded_at.as_microsecond())
            .execute(&mut *connection)
            .await?;
    }
    for key in &command.subject_keys {
        let sql =
            "INSERT INTO subject_keys (subject, wrapped) VALUES (?, ?) ON CONFLICT DO NOTHING";
        let query = sqlx::query(sql).bind(key.subject).bind(&key.wrapped[..]);
        query.execute(&mut *connection).await?;
    }
    credentials::apply(connection, &command.credentials).await
}
