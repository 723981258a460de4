//! How much of the log is in memory at once.

use futures::{Stream, TryStreamExt};

use crate::adapters::failure::is_undecodable;
use crate::ports::event_store::{MAX_PAGE_BYTES, RecordedEvent, StoreError, Undecodable};

/// The events after a position that fit into a page. The rest stay where they are.
pub async fn page(
    after: i64,
    events: impl Stream<Item = Result<RecordedEvent, sqlx::Error>>,
) -> Result<Vec<RecordedEvent>, StoreError> {
    let mut events = std::pin::pin!(events);
    let (mut page, mut bytes) = (Vec::new(), 0);
    while bytes < MAX_PAGE_BYTES {
        match events.try_next().await {
            Ok(Some(event)) => {
                bytes += event.payload.len();
                page.push(event);
            }
            Ok(None) => break,
            Err(error) if is_undecodable(&error) => {
                if !page.is_empty() {
                    // Told to whoever has read what comes before it.
                    break;
                }
                let told = format!("event at position {}: {error}", after + 1);
                return Err(Undecodable(told).into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(page)
}
