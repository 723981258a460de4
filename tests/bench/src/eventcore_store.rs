//! eventcore on PostgreSQL and on SQLite: <https://docs.rs/eventcore>.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use eventcore_postgres::PostgresEventStore;
use eventcore_sqlite::SqliteEventStore;
use eventcore_sqlite::rusqlite::Connection;
use eventcore_types::{Event, EventStore, StreamId, StreamVersion, StreamWrites};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{Run, clients, payload};

#[derive(Clone, Serialize, Deserialize)]
struct Filed {
    flight: StreamId,
    payload: String,
}

impl Event for Filed {
    fn stream_id(&self) -> &StreamId {
        &self.flight
    }

    fn event_type_name() -> &'static str {
        "Filed"
    }
}

pub async fn append_on_postgres(pool: PgPool, count: u32, time: Duration) -> anyhow::Result<Run> {
    let store = PostgresEventStore::from_pool(pool);
    store.migrate().await;
    append(store, count, time).await
}

pub async fn append_on_sqlite(directory: &Path, count: u32, time: Duration) -> anyhow::Result<Run> {
    let connection = Connection::open(directory.join("events.db"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // Synced before it answers.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let store = SqliteEventStore::from_connection(connection);
    store.migrate().await?;
    append(store, count, time).await
}

async fn append<S>(store: S, count: u32, time: Duration) -> anyhow::Result<Run>
where
    S: EventStore + Send + 'static,
{
    let store = Arc::new(store);
    clients(count, time, move || {
        let store = store.clone();
        async move {
            let flight = StreamId::try_new(Uuid::new_v4().to_string())?;
            let filed = Filed {
                flight: flight.clone(),
                payload: payload(),
            };
            let writes = StreamWrites::new().register_stream(flight, StreamVersion::new(0))?;
            store.append_events(writes.append(filed)?).await?;
            Ok(())
        }
    })
    .await
}
