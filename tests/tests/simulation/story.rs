//! What clients were told, as evidence.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use albatross_tests::replica::Replica;
use uuid::Uuid;

use crate::REPLICAS;

#[derive(Default)]
pub struct Story {
    /// What runs on the replicas' hosts.
    running: Mutex<[Option<Replica>; REPLICAS.len()]>,
    /// Acknowledged flights, with all that was sent of them.
    pub flights: Mutex<BTreeMap<Uuid, Flown>>,
    /// Positions of the changes that a subscriber was told, in the order in which it was.
    pub told: Mutex<Vec<i64>>,
    pub revocations: Mutex<Vec<Revocation>>,
    /// Calls that were not answered, or with "later".
    pub repeated: Mutex<usize>,
}

/// A flight whose filing, batches and submission were all acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Flown {
    /// Position of its first event.
    pub filed: i64,
    /// Position of its submission.
    pub submitted: i64,
    /// How many milestones were certain by then.
    pub milestones: usize,
}

/// A key that was revoked, and who found it open.
#[derive(Clone, Debug)]
pub struct Revocation {
    /// When its acknowledgement came.
    pub at: Duration,
    /// How long it may take to be known everywhere.
    pub within: Duration,
    /// When somebody asked who was let in.
    pub opened: Vec<Duration>,
    /// How often somebody asked afterwards.
    pub asked: usize,
}

impl Story {
    pub fn put(&self, number: usize, replica: Option<Replica>) {
        self.running.lock().unwrap()[number] = replica;
    }

    /// None while it starts.
    pub fn replica(&self, number: usize) -> Option<Replica> {
        self.running.lock().unwrap()[number].clone()
    }

    pub fn note_repeat(&self) {
        *self.repeated.lock().unwrap() += 1;
    }
}
