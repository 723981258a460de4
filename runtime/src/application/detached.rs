//! Work that comes to its end though whoever asked for it goes away meanwhile.

use crate::ports::event_store::StoreError;

/// What the work comes to. Whoever stops waiting stops nothing of it.
///
/// # Errors
/// When it panicked.
pub async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, StoreError> {
    Ok(tokio::spawn(work).await?)
}
