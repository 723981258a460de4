//! postgres-es: <https://docs.rs/postgres-es>.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{
    EventStoreAggregateContext, PersistedEventRepository, PersistedEventStore, SerializedEvent,
};
use cqrs_es::{Aggregate, DomainEvent, EventEnvelope, EventStore};
use postgres_es::PostgresEventRepository;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{Run, clients, create, payload};

/// As its documentation gives it.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS events (
    aggregate_type text NOT NULL, aggregate_id text NOT NULL, sequence bigint CHECK (sequence >= 0) NOT NULL,
    event_type text NOT NULL, event_version text NOT NULL, payload json NOT NULL, metadata json NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence))";
/// What is stored by one transaction before a replay.
const PREPARED_AT_ONCE: usize = 1_000;

#[derive(Default, Serialize, Deserialize)]
struct Flight;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Filed(String);

impl DomainEvent for Filed {
    fn event_type(&self) -> String {
        "Filed".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Flight {
    const TYPE: &'static str = "flight";
    type Command = String;
    type Event = Filed;
    type Error = Infallible;
    type Services = ();

    async fn handle(
        &mut self,
        command: String,
        _: &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Infallible> {
        sink.write(Filed(command), self).await;
        Ok(())
    }

    fn apply(&mut self, _: Filed) {}
}

/// Nothing is loaded first: the stream is known to be new.
pub async fn append(pool: PgPool, count: u32, time: Duration) -> anyhow::Result<Run> {
    create(&pool, TABLE).await?;
    let repository = PostgresEventRepository::new(pool);
    let store = Arc::new(PersistedEventStore::<_, Flight>::new_event_store(
        repository,
    ));
    clients(count, time, move || {
        let store = store.clone();
        async move {
            let context = EventStoreAggregateContext {
                aggregate_id: Uuid::new_v4().to_string(),
                aggregate: Flight,
                current_sequence: 0,
                current_snapshot: None,
            };
            let filed = vec![Filed(payload())];
            store.commit(filed, context, HashMap::new()).await?;
            Ok(())
        }
    })
    .await
}

/// Replays so many events of so many bytes each, and stores them first where they are missing.
pub async fn replay(pool: PgPool, count: usize, bytes: usize) -> anyhow::Result<Duration> {
    create(&pool, TABLE).await?;
    let stored = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM events");
    let stored = usize::try_from(stored.fetch_one(&pool).await?)?;
    let repository = PostgresEventRepository::new(pool);
    let missing: Vec<_> = (stored..count).collect();
    for some in missing.chunks(PREPARED_AT_ONCE) {
        let events: Result<Vec<_>, _> = some.iter().map(|_| filed(bytes)).collect();
        repository.persist::<Flight>(&events?, None).await?;
    }
    let begun = Instant::now();
    let mut events = repository.stream_all_events::<Flight>().await?;
    let mut seen = 0;
    while let Some(event) = events.next::<Flight>(&[]).await {
        event?;
        seen += 1;
    }
    let elapsed = begun.elapsed();
    ensure!(
        seen == count,
        "{seen} events were replayed instead of {count}"
    );
    Ok(elapsed)
}

/// The first event of a flight.
fn filed(bytes: usize) -> anyhow::Result<SerializedEvent> {
    let event = EventEnvelope::<Flight> {
        aggregate_id: Uuid::new_v4().to_string(),
        sequence: 1,
        payload: Filed("7".repeat(bytes)),
        metadata: HashMap::new(),
    };
    Ok(SerializedEvent::try_from(&event)?)
}
