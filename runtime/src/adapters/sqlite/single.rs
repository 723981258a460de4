//! The short way to append one event to SQLite: a whole transaction sent at once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::{Error, SqliteConnection};

use crate::adapters::sqlite::writer::Writer;
use crate::adapters::{batch, chain};
use crate::ports::event_store::{Append, Appended, ChainLink, RecordedEvent};

/// Each statement that is sent by itself costs two changes of threads, as much as it takes to execute. What stands
/// against the event fails the transaction: a position or a version that is taken is found by its key, and a stream that
/// has not come to the expected version writes NULL where none may be.
const APPEND: &str = "BEGIN IMMEDIATE; \
     INSERT INTO log_chain (position, hash) VALUES (?, ?); \
     INSERT INTO events (stream_id, version, position, kind, schema, event_id, command_id, \
         causation_id, correlation_id, actor, recorded_at, payload) \
     VALUES (?, iif(? = 0 OR EXISTS (SELECT 1 FROM events WHERE stream_id = ? AND version = ?), ?, NULL), \
         ?, ?, ?, ?, ?, ?, ?, ?, ?, ?); \
     COMMIT";

/// Remembers where the log ends. Another process may have written since; then the position is taken.
#[derive(Default)]
pub struct Single {
    head: Mutex<Option<ChainLink>>,
}

impl Single {
    /// None when the command has to be looked at more closely: nothing was written then.
    pub async fn append(
        &self,
        writer: &Writer,
        command: &Append,
    ) -> Result<Option<Appended>, Error> {
        if command.events.len() != 1 || !batch::is_plain(command) {
            return Ok(None);
        }
        let Some(head) = self.head().take() else {
            return Ok(None);
        };
        let events: Vec<_> = batch::record(command, head.position).collect();
        let link = ChainLink {
            position: head.position + 1,
            hash: chain::link(&head.hash, &events),
        };
        let mut writing = writer.acquire().await?;
        match write(&mut writing, &link, &events[0]).await {
            Ok(()) => writing.release(),
            Err(error) => {
                // Where there is nothing to roll back, nothing stood against the event: the file is locked, or its disk full.
                let rolled_back = sqlx::query("ROLLBACK").execute(&mut *writing).await;
                rolled_back.map_err(|_| error)?;
                writing.release();
                return Ok(None);
            }
        }
        self.remember(link);
        Ok(Some(Appended {
            version: command.expected_version + 1,
            position: head.position + 1,
        }))
    }

    pub fn remember(&self, head: ChainLink) {
        *self.head() = Some(head);
    }

    fn head(&self) -> MutexGuard<'_, Option<ChainLink>> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(
    connection: &mut SqliteConnection,
    link: &ChainLink,
    event: &RecordedEvent,
) -> Result<(), Error> {
    sqlx::query(APPEND)
        .bind(link.position)
        .bind(&link.hash[..])
        .bind(event.stream_id)
        .bind(event.version - 1)
        .bind(event.stream_id)
        .bind(event.version - 1)
        .bind(event.version)
        .bind(event.position)
        .bind(event.kind)
        .bind(event.schema)
        .bind(event.event_id)
        .bind(event.command_id)
        .bind(event.causation_id)
        .bind(event.correlation_id)
        .bind(&event.actor)
        .bind(event.recorded_at.as_microsecond())
        .bind(&event.payload)
        .execute(connection)
        .await?;
    Ok(())
}
