//! Locks of lanes within one process, for the stores that belong to one process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// Held by whoever advances a lane.
pub type LaneLock = OwnedMutexGuard<()>;

/// One mutex per lane.
#[derive(Clone, Default)]
pub struct Lanes {
    locks: Arc<Mutex<Locks>>,
}

type Locks = HashMap<&'static str, Arc<tokio::sync::Mutex<()>>>;

impl Lanes {
    /// Takes the lane unless somebody holds it.
    pub fn try_lock(&self, lane: &'static str) -> Option<LaneLock> {
        self.of(lane).try_lock_owned().ok()
    }

    /// Waits for the lane.
    pub async fn lock(&self, lane: &'static str) -> LaneLock {
        self.of(lane).lock_owned().await
    }

    fn of(&self, lane: &'static str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.entry(lane).or_default().clone()
    }
}
