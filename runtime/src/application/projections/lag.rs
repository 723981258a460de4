//! How far a lane is behind that cannot be advanced, by what log and checkpoint still tell.

use std::time::Duration;

use tokio::time::timeout;

use crate::application::projections::lane::Reached;
use crate::application::projections::metrics::ProjectionMetrics;
use crate::ports::clock::Clock;
use crate::ports::event_store::{EventStore, StoreError};
use crate::ports::read_model::ReadModel;

/// What does not answer within this tells nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Notes it. Without a log nobody appends either: what was noted before stays.
pub async fn note(
    lane: &'static str,
    events: &dyn EventStore,
    read_model: &dyn ReadModel,
    metrics: &ProjectionMetrics,
    clock: &dyn Clock,
) {
    match look(lane, events, read_model, metrics.position(lane)).await {
        Ok(reached) => metrics.note_lag(lane, &reached, clock.now()),
        Err(error) => tracing::debug!(lane, %error, "nothing tells how far the lane is behind"),
    }
}

/// `known` is up to where it had come, for a checkpoint that cannot be read either.
async fn look(
    lane: &'static str,
    events: &dyn EventStore,
    read_model: &dyn ReadModel,
    known: Option<i64>,
) -> Result<Reached, StoreError> {
    let head = in_time(events.head()).await?;
    let position = match in_time(read_model.checkpoint(lane)).await {
        Ok(checkpoint) if checkpoint.epoch == head.epoch => checkpoint.position,
        // What was made of another log is void.
        Ok(_) => 0,
        Err(error) => known.ok_or(error)?,
    };
    in_time(Reached::at(position, head.position, events)).await
}

async fn in_time<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(PATIENCE, asked).await?
}
