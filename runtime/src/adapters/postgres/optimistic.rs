//! The short way to append: one plain statement that names the end of the log and the versions that it expects.

use std::sync::{Mutex, PoisonError};

use sqlx::postgres::PgRow;
use sqlx::query::Query;
use sqlx::{Row, query};

use crate::adapters::failure::Failure;
use crate::adapters::postgres::columns::{self, Columns};
use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::rows;
use crate::adapters::{batch, chain};
use crate::ports::event_store::{Append, Appended, ChainLink};

/// Writes all or nothing, and the link first: unless it can be written, there is nothing behind which events could go.
/// What the snapshot shows may be older than the lock; whoever took a position or a version meanwhile is found by the
/// keys of the table, which fails the statement. So are streams that are to begin and are there already. The lock keeps
/// it out of the way of `log.append`, whose numbering is named there.
macro_rules! append {
    ($versions:literal, $events:literal) => {
        concat!(
            "WITH link AS ( \
                 INSERT INTO log.log_chain SELECT $3::bigint, $4::bytea \
                 WHERE current_setting('synchronous_commit') <> 'off' \
                 AND pg_try_advisory_xact_lock(7021799003) \
                 AND (SELECT l.hash FROM log.log_chain l ORDER BY l.position DESC LIMIT 1) = $1::bytea \
                 AND ",
            $versions,
            " RETURNING true) INSERT INTO log.events ",
            $events
        )
    };
}

/// One event: without the arrays, which cost as much as the rest.
const APPEND_ONE: &str = append!(
    "($5::int = 0 OR $5 = ( \
         SELECT e.version FROM log.events e WHERE e.stream_id = $6::uuid ORDER BY e.version DESC LIMIT 1))",
    "SELECT $2::bigint + 1, $6, $5 + 1, $7::smallint, $8::smallint, $9::uuid, $10::uuid, $11::uuid, $12::uuid, \
            $13::text, $14::timestamptz, $15::bytea FROM link"
);

const APPEND: &str = append!(
    "NOT EXISTS ( \
         SELECT FROM unnest($5::uuid[], $6::int[]) AS c(stream, expected) \
         WHERE c.expected <> 0 AND c.expected <> coalesce(( \
             SELECT e.version FROM log.events e WHERE e.stream_id = c.stream ORDER BY e.version DESC LIMIT 1), 0))",
    "SELECT $2::bigint + e.n, e.stream, e.version, e.kind, e.schema, e.id, e.command_id, e.causation, e.correlation, \
            e.actor, e.recorded_at, e.payload \
     FROM link, unnest($7::uuid[], $8::int[], $9::smallint[], $10::smallint[], $11::uuid[], $12::uuid[], \
                       $13::uuid[], $14::uuid[], $15::text[], $16::timestamptz[], $17::bytea[]) WITH ORDINALITY \
          AS e(stream, version, kind, schema, id, command_id, causation, correlation, actor, recorded_at, payload, n)"
);

/// Appends whole batches as long as nothing stands against them, and remembers where the log ends.
pub struct Optimistic {
    pool: Connections,
    /// What this process wrote last. Another process may have written since; then the statement does nothing.
    last: Mutex<Option<ChainLink>>,
}

impl Optimistic {
    pub fn new(pool: Connections) -> Self {
        let last = Mutex::new(None);
        Self { pool, last }
    }

    /// None when the batch has to be looked at more closely: nothing was written then.
    pub async fn append(&self, commands: &[Append]) -> Result<Option<Vec<Appended>>, Failure> {
        if !commands.iter().all(batch::is_plain) {
            return Ok(None);
        }
        let Some(head) = self.head().await? else {
            return Ok(None);
        };
        let (link, appended) = link(&head, commands);
        match self.write(&head, &link, commands).await {
            Ok(written) if head.position + written as i64 == link.position => {
                *self.last() = Some(link);
                Ok(Some(appended))
            }
            Ok(_) => Ok(None),
            Err(error) => match Failure::from(error) {
                Failure::Failed(_) => Ok(None),
                unreachable @ Failure::Unreachable(_) => Err(unreachable),
            },
        }
    }

    /// The end of the log; none before the first append. It is forgotten until the next success.
    async fn head(&self) -> Result<Option<ChainLink>, sqlx::Error> {
        if let Some(last) = self.last().take() {
            return Ok(Some(last));
        }
        let link = |row: PgRow| {
            Ok(ChainLink {
                position: row.try_get(0)?,
                hash: rows::bytes32(row.try_get(1)?)?,
            })
        };
        query("SELECT position, hash FROM log.log_chain ORDER BY position DESC LIMIT 1")
            .try_map(link)
            .fetch_optional(&self.pool)
            .await
    }

    /// The number of events that were written.
    async fn write<'a>(
        &self,
        head: &'a ChainLink,
        link: &'a ChainLink,
        commands: &'a [Append],
    ) -> Result<u64, sqlx::Error> {
        let ends = |query: Query<'a, _, _>| {
            query
                .bind(&head.hash[..])
                .bind(head.position)
                .bind(link.position)
                .bind(&link.hash[..])
        };
        let query = match commands {
            [command] if command.events.len() == 1 => {
                let query = ends(query(APPEND_ONE)).bind(command.expected_version);
                columns::bind_event(query, command, &command.events[0])
            }
            commands => {
                let streams: Vec<_> = commands.iter().map(|c| c.stream_id).collect();
                let expected: Vec<_> = commands.iter().map(|c| c.expected_version).collect();
                let query = ends(query(APPEND)).bind(streams).bind(expected);
                Columns::of(commands).bind(query)
            }
        };
        Ok(query.execute(&self.pool).await?.rows_affected())
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<ChainLink>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of the log behind these commands, and where each of them stands.
fn link(head: &ChainLink, commands: &[Append]) -> (ChainLink, Vec<Appended>) {
    let mut events = Vec::with_capacity(commands.len());
    let mut appended = Vec::with_capacity(commands.len());
    let mut position = head.position;
    for command in commands {
        events.extend(batch::record(command, position));
        position += command.events.len() as i64;
        let version = command.expected_version + command.events.len() as i32;
        appended.push(Appended { version, position });
    }
    let hash = chain::link(&head.hash, &events);
    (ChainLink { position, hash }, appended)
}
