//! A lane's tables once more, from the whole log: folded in memory, written beside the living ones, and swapped.

use std::sync::Arc;

use crate::application::error::ServiceError;
use crate::application::events::EventReader;
use crate::application::projections::fold::Fold;
use crate::application::projections::lane::Lane;
use crate::ports::event_store::{EventStore, RecordedEvent, StoreError};
use crate::ports::read_model::{Checkpoint, ReadModel, Rebuild};

/// Most rows of a table that are kept in memory, at about 2 KiB each. Of more, those that no event has touched for
/// longest are written, and read again if need be.
pub const ROWS_IN_MEMORY: usize = 32_768;

/// Of what events hold, at most as much is folded before all rows are written, whatever their number.
const BYTES_IN_MEMORY: usize = 32 * 1024 * 1024;

/// Told how many events have been folded, and how many there are.
pub type Watch<'a> = &'a mut (dyn FnMut(i64, i64) + Send);

/// Why the living tables stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error("another rebuild is under way: wait until it has ended")]
    UnderWay,
    #[error("the log was restored meanwhile: run it again")]
    Restored,
    #[error(transparent)]
    Failed(#[from] ServiceError),
}

impl From<StoreError> for RebuildError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// What a rebuild reads and writes, and how much of it at a time.
pub struct Plan {
    pub events: Arc<dyn EventStore>,
    pub reader: EventReader,
    pub read_model: Arc<dyn ReadModel>,
    /// Most events that are read at once.
    pub batch: usize,
    pub rows_in_memory: usize,
}

/// Rebuilds one lane; answers up to where in the log.
///
/// # Errors
/// When another rebuild runs, a store is unavailable, or an event cannot be read. Nothing has changed then.
pub async fn rebuild(lane: Lane, plan: Plan, watch: Watch<'_>) -> Result<i64, RebuildError> {
    let head = plan.events.head().await?;
    let Some(next) = plan.read_model.rebuild(lane.name(), lane.tables()).await? else {
        return Err(RebuildError::UnderWay);
    };
    let mut building = Building {
        fold: lane.fold(),
        folded_bytes: 0,
        next,
        position: 0,
        head: head.position,
        lane,
        plan,
        watch,
    };
    building.catch_up().await?;
    building.next.index().await?;
    // What came while indexes were made, so that the lane is held for little.
    building.catch_up().await?;
    building.next.lock_lane().await?;
    // Nobody is ahead of this: whatever the living rows show is in the log.
    building.catch_up().await?;
    let position = building.position;
    if building.plan.events.head().await?.epoch != head.epoch {
        return Err(RebuildError::Restored);
    }
    let epoch = head.epoch;
    building.next.swap(Checkpoint { epoch, position }).await?;
    Ok(position)
}

struct Building<'a> {
    lane: Lane,
    plan: Plan,
    fold: Fold,
    /// Since all rows were written.
    folded_bytes: usize,
    next: Box<dyn Rebuild>,
    /// Of the last event that is folded.
    position: i64,
    head: i64,
    watch: Watch<'a>,
}

impl Building<'_> {
    /// Folds all that is in the log now, and writes all rows.
    async fn catch_up(&mut self) -> Result<(), ServiceError> {
        let mut page = self
            .plan
            .events
            .read_after(self.position, self.plan.batch)
            .await?;
        loop {
            // Whatever is delivered twice counts once.
            page.retain(|event| event.position > self.position);
            let Some(last) = page.last() else { break };
            let position = last.position;
            let (events, batch) = (self.plan.events.clone(), self.plan.batch);
            // Read ahead while this is folded.
            let ahead = tokio::spawn(async move { events.read_after(position, batch).await });
            self.fold(page).await?;
            self.position = position;
            (self.watch)(position, self.head.max(position));
            let ahead = ahead.await;
            page = ahead.map_err(|error| ServiceError::Unavailable(error.into()))??;
        }
        self.write(0).await
    }

    async fn fold(&mut self, mut page: Vec<RecordedEvent>) -> Result<(), ServiceError> {
        page.retain(|event| self.lane.reads(event.kind));
        self.folded_bytes += page.iter().map(|event| event.payload.len()).sum::<usize>();
        let events = self.plan.reader.decode(&page).await?;
        self.fold.project(&mut *self.next, &events).await?;
        if self.folded_bytes >= BYTES_IN_MEMORY {
            self.write(0).await?;
        }
        if self.fold.count() > self.plan.rows_in_memory {
            self.write(self.plan.rows_in_memory / 2).await?;
        }
        Ok(())
    }

    /// Writes all rows but about so many of each table.
    async fn write(&mut self, keep: usize) -> Result<(), ServiceError> {
        if keep == 0 {
            self.folded_bytes = 0;
        }
        let changes = self.fold.let_go(keep)?;
        if !changes.is_empty() {
            self.next.write(changes).await?;
        }
        Ok(())
    }
}
