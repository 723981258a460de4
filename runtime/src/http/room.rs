//! Room in memory for what is large: so many bytes of a kind in this process, for all its airlines together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::application::error::ServiceError;
use crate::domain::ids::TenantId;

/// What is no larger takes no room: a connection's own buffers hold as much.
pub const FREE: usize = 64 * 1024;
/// Whoever has no turn by then is told to ask again.
const PATIENCE: Duration = Duration::from_secs(5);

/// What all of one kind take in this process.
pub struct Room {
    all: Semaphore,
    airlines: Each<TenantId>,
}

impl Room {
    /// Of all its `bytes` an airline takes a `share` at most: no other finds it full because of that one.
    pub const fn new(bytes: usize, share: usize) -> Self {
        Self {
            all: Semaphore::const_new(bytes),
            airlines: Each::new(share),
        }
    }

    /// # Errors
    /// `Busy` when there is none in time.
    pub async fn take(
        &'static self,
        airline: TenantId,
        bytes: usize,
    ) -> Result<Taken, ServiceError> {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let share = self.airlines.of(airline);
        turn(async {
            Ok(Taken {
                of_airline: share.acquire_many_owned(permits).await?,
                of_all: self.all.acquire_many(permits).await?,
            })
        })
        .await
    }
}

/// Room that is given back when this is dropped.
pub struct Taken {
    of_airline: OwnedSemaphorePermit,
    of_all: SemaphorePermit<'static>,
}

impl Taken {
    /// Gives back all but these bytes.
    pub fn keep(&mut self, bytes: usize) {
        let rest = self.of_all.num_permits().saturating_sub(bytes);
        drop((self.of_airline.split(rest), self.of_all.split(rest)));
    }
}

/// A semaphore for each of many; those that nobody holds are forgotten.
pub struct Each<K> {
    permits: usize,
    held: Mutex<BTreeMap<K, Arc<Semaphore>>>,
}

impl<K: Ord> Each<K> {
    pub const fn new(permits: usize) -> Self {
        Self {
            permits,
            held: Mutex::new(BTreeMap::new()),
        }
    }

    pub fn of(&self, key: K) -> Arc<Semaphore> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, turns| Arc::strong_count(turns) > 1);
        let turns = held.entry(key);
        let turns = turns.or_insert_with(|| Arc::new(Semaphore::new(self.permits)));
        turns.clone()
    }
}

/// Waits for permits, but not for ever.
pub async fn turn<T>(
    granted: impl Future<Output = Result<T, AcquireError>>,
) -> Result<T, ServiceError> {
    match timeout(PATIENCE, granted).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(ServiceError::Busy {
            retry_after: PATIENCE,
        }),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    static ROOM: Room = Room::new(6, 2);

    fn airline(number: u128) -> TenantId {
        TenantId(Uuid::from_u128(number))
    }

    #[tokio::test(start_paused = true)]
    async fn an_airline_takes_its_share_and_leaves_the_rest_to_others() {
        let mut first = ROOM.take(airline(1), 2).await.unwrap();
        let busy = ROOM.take(airline(1), 1).await;
        assert!(matches!(busy, Err(ServiceError::Busy { .. })));
        let second = ROOM.take(airline(2), 2).await.unwrap();
        let third = ROOM.take(airline(3), 2).await.unwrap();
        let full = ROOM.take(airline(4), 1).await;
        assert!(matches!(full, Err(ServiceError::Busy { .. })));

        first.keep(1);
        ROOM.take(airline(1), 1).await.unwrap();
        ROOM.take(airline(4), 1).await.unwrap();
        drop((first, second, third));
        ROOM.take(airline(1), 2).await.unwrap();
        assert!(ROOM.all.available_permits() == 6);
        // Of those who hold nothing, one more than the last is remembered at most.
        ROOM.airlines.of(airline(5));
        assert_eq!(ROOM.airlines.held.lock().unwrap().len(), 1);
    }
}
