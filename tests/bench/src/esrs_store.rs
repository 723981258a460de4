//! esrs: <https://docs.rs/esrs>.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use esrs::manager::AggregateManager;
use esrs::store::postgres::{PgStore, PgStoreBuilder};
use esrs::{Aggregate, AggregateState};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{Run, clients, payload};

struct Flight;

#[derive(Clone, Serialize, Deserialize)]
struct Filed(String);

impl Aggregate for Flight {
    const NAME: &'static str = "flight";
    type State = ();
    type Command = String;
    type Event = Filed;
    type Error = Infallible;

    fn handle_command((): &(), command: String) -> Result<Vec<Filed>, Infallible> {
        Ok(vec![Filed(command)])
    }

    fn apply_event((): (), _: Filed) {}
}

pub async fn append(pool: PgPool, count: u32, time: Duration) -> anyhow::Result<Run> {
    let store: PgStore<Flight> = PgStoreBuilder::new(pool).try_build().await?;
    let manager = Arc::new(AggregateManager::new(store));
    clients(count, time, move || {
        let manager = manager.clone();
        async move {
            let state = AggregateState::with_id(Uuid::new_v4());
            manager.handle_command(state, payload()).await??;
            Ok(())
        }
    })
    .await
}
