//! Objects that somebody else changes again and again: they are put right at once a few times, and then ever more rarely.
//!
//! Two writers who both answer each change at once would keep the API server busy for ever.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::context::object::ObjectKey;

/// So many times in a row an object is put right at once.
const PATIENCE: u32 = 5;
/// The longest pause between two repairs.
pub const LONGEST: Duration = Duration::from_secs(10);
/// An object that needed no repair for so long is no longer fought over.
const PEACE: Duration = Duration::from_secs(30);

/// Repairs in a row, per object.
#[derive(Default)]
pub struct Contention {
    repairs: Mutex<HashMap<ObjectKey, Repairs>>,
}

struct Repairs {
    count: u32,
    last: Instant,
}

impl Repairs {
    fn is_fought_over(&self) -> bool {
        self.count > PATIENCE
    }

    fn pause(&self) -> Duration {
        let beyond = self.count.saturating_sub(PATIENCE);
        match beyond {
            0 => Duration::ZERO,
            _ => Duration::from_secs(1 << (beyond - 1).min(4)).min(LONGEST),
        }
    }
}

impl Contention {
    /// Whether an object that differs from what was applied, or is not there any more, may be put right at `now`; if so, that is counted.
    pub fn may_repair(&self, key: &ObjectKey, now: Instant) -> bool {
        let mut repairs = self.recent(now);
        let entry = repairs.entry(key.clone()).or_insert(Repairs {
            count: 0,
            last: now,
        });
        if now.saturating_duration_since(entry.last) < entry.pause() {
            return false;
        }
        entry.count = entry.count.saturating_add(1);
        entry.last = now;
        true
    }

    /// What is fought over in a namespace, or the namespace itself, as `Kind name`.
    pub fn fought_over(&self, namespace: &str, now: Instant) -> Vec<String> {
        let repairs = self.recent(now);
        let there = repairs
            .iter()
            .filter(|(key, repairs)| key.is_of(namespace) && repairs.is_fought_over());
        let mut objects: Vec<String> = there
            .map(|(key, _)| format!("{} {}", key.kind, key.name))
            .collect();
        objects.sort();
        objects
    }

    fn recent(&self, now: Instant) -> MutexGuard<'_, HashMap<ObjectKey, Repairs>> {
        let mut repairs = self.repairs.lock().unwrap_or_else(PoisonError::into_inner);
        repairs.retain(|_, repairs| now.saturating_duration_since(repairs.last) < PEACE);
        repairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey {
            kind: "Service".to_owned(),
            namespace: Some("albatross-skyways".to_owned()),
            name: name.to_owned(),
        }
    }

    #[test]
    fn repairs_become_rare_and_are_free_again_in_peace() {
        let contention = Contention::default();
        let start = Instant::now();
        let repaired_until = |until: u64| {
            (0..=until * 10)
                .map(|tenth| start + Duration::from_millis(tenth * 100))
                .filter(|now| contention.may_repair(&key("api"), *now))
                .count()
        };
        // Six at once, four after pauses of 1, 2, 4 and 8 seconds, then eight every 10 seconds.
        assert_eq!(repaired_until(100), 18);
        let later = start + Duration::from_secs(100);
        let told = |now| contention.fought_over("albatross-skyways", now);
        assert_eq!(told(later), ["Service api"]);
        assert!(
            contention
                .fought_over("albatross-nordwind", later)
                .is_empty()
        );
        let peace = later + PEACE;
        assert!(told(peace).is_empty());
        assert!(
            contention.may_repair(&key("api"), peace) && contention.may_repair(&key("api"), peace)
        );
    }

    #[test]
    fn a_few_repairs_are_no_fight() {
        let contention = Contention::default();
        let now = Instant::now();
        assert!((0..PATIENCE).all(|_| contention.may_repair(&key("api"), now)));
        assert!(contention.may_repair(&key("worker"), now));
        assert!(contention.fought_over("albatross-skyways", now).is_empty());
    }
}
