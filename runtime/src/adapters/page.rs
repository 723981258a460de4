//! How much of the log is in memory at once.

use futures::{Stream, TryStreamExt};

use crate::ports::event_store::{MAX_PAGE_BYTES, RecordedEvent};

/// The events that fit into a page. The rest stay where they are.
pub async fn page<E>(
    events: impl Stream<Item = Result<RecordedEvent, E>>,
) -> Result<Vec<RecordedEvent>, E> {
    let mut events = std::pin::pin!(events);
    let (mut page, mut bytes) = (Vec::new(), 0);
    while bytes < MAX_PAGE_BYTES
        && let Some(event) = events.try_next().await?
    {
        bytes += event.payload.len();
        page.push(event);
    }
    Ok(page)
}
