//! postgres-es: <https://docs.rs/postgres-es>.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use postgres_es::postgres_cqrs;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{Run, clients, create, payload};

/// As its documentation gives it.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS events (
    aggregate_type text NOT NULL, aggregate_id text NOT NULL, sequence bigint CHECK (sequence >= 0) NOT NULL,
    event_type text NOT NULL, event_version text NOT NULL, payload json NOT NULL, metadata json NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence))";

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

pub async fn run(pool: PgPool, count: u32, time: Duration) -> anyhow::Result<Run> {
    create(&pool, TABLE).await?;
    let store = Arc::new(postgres_cqrs::<Flight>(pool, Vec::new(), ()));
    clients(count, time, move || {
        let store = store.clone();
        async move {
            let id = Uuid::new_v4().to_string();
            Ok(store.execute(&id, payload()).await?)
        }
    })
    .await
}
