//! Locks by name: who works under one waits for nobody under another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

/// One lock for each name, for as long as somebody holds or awaits it.
#[derive(Default)]
pub struct Locks {
    locks: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

impl Locks {
    pub async fn lock(&self, name: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| lock.strong_count() > 0);
            let lock = locks.get(name).and_then(Weak::upgrade).unwrap_or_default();
            locks.insert(name.to_owned(), Arc::downgrade(&lock));
            lock
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_name_is_held_once_and_leaves_nothing_behind() {
        let locks = Locks::default();
        let held = locks.lock("here").await;
        assert!(locks.lock("here").now_or_never().is_none());
        assert!(locks.lock("there").now_or_never().is_some());
        drop(held);
        assert!(locks.lock("here").now_or_never().is_some());
        drop(locks.lock("elsewhere").await);
        assert_eq!(locks.locks.lock().unwrap().len(), 1);
    }
}
