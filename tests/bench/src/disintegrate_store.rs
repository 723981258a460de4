//! disintegrate: <https://docs.rs/disintegrate>.

use std::time::Duration;

use disintegrate::serde::json::Json;
use disintegrate::{Event, EventStore, query};
use disintegrate_postgres::{Error, PgEventStore};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{Run, clients, create, payload};

/// What its migration makes, but for a literal: PostgreSQL has hexadecimal ones from 16 on.
const TABLE: &str = "CREATE SEQUENCE IF NOT EXISTS seq_event_event_id;
    CREATE TABLE IF NOT EXISTS event (event_id bigint PRIMARY KEY DEFAULT nextval('seq_event_event_id'),
        event_type varchar(255), payload bytea, inserted_at timestamp DEFAULT now(), flight_id uuid);
    CREATE INDEX IF NOT EXISTS idx_event_type_btree ON event (event_type);
    CREATE INDEX IF NOT EXISTS idx_event_flight_id ON event (flight_id) WHERE flight_id IS NOT NULL;
    CREATE OR REPLACE FUNCTION event_store_begin_epoch() RETURNS void AS $$
    DECLARE
        id bigint;
        db_id int;
    BEGIN
        SELECT last_value INTO id FROM seq_event_event_id;
        SELECT oid INTO db_id FROM pg_database WHERE datname = current_database();
        PERFORM pg_try_advisory_xact_lock_shared(db_id, 0);
        PERFORM pg_try_advisory_xact_lock_shared(1, (id & 4294967295)::bit(32)::integer);
        PERFORM pg_try_advisory_xact_lock_shared(2, (id >> 32)::bit(32)::integer);
    END;
    $$ LANGUAGE plpgsql";
/// `serialization_failure`.
const REPEAT: &str = "40001";

#[derive(Clone, Event, Serialize, Deserialize)]
enum Flight {
    Filed {
        #[id]
        flight_id: Uuid,
        payload: String,
    },
}

pub async fn append(pool: PgPool, count: u32, time: Duration) -> anyhow::Result<Run> {
    create(&pool, TABLE).await?;
    let store = PgEventStore::new_uninitialized(pool, Json::<Flight>::default());
    clients(count, time, move || {
        let store = store.clone();
        async move {
            let flight_id = Uuid::new_v4();
            loop {
                let filed = Flight::Filed {
                    flight_id,
                    payload: payload(),
                };
                let stream = query!(Flight; flight_id == flight_id);
                match store.append(vec![filed], stream, 0).await {
                    // It appends in serializable transactions, which fail for each other's sake.
                    Err(error) if is_to_be_repeated(&error) => {}
                    appended => {
                        appended?;
                        return Ok(());
                    }
                }
            }
        }
    })
    .await
}

fn is_to_be_repeated(error: &Error) -> bool {
    match error {
        Error::Concurrency => true,
        Error::Database(sqlx::Error::Database(error)) => error.code().as_deref() == Some(REPEAT),
        _ => false,
    }
}
