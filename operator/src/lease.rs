//! Until when this replica may write, by its own monotonic clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The right to write, to Kubernetes and outside. Past its end the process ends, however it got there.
#[derive(Debug)]
pub struct Leadership {
    started: Instant,
    /// Milliseconds after `started`; 0 while this replica has never led.
    deadline: AtomicU64,
}

impl Leadership {
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            deadline: AtomicU64::new(0),
        }
    }

    pub fn hold_until(&self, deadline: Instant) {
        let millis = deadline.saturating_duration_since(self.started).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.deadline.store(millis, Ordering::SeqCst);
    }

    /// Ends the process if the right to write has run out: called before each write, and by a watchdog.
    pub fn require(&self) {
        let deadline = self.deadline.load(Ordering::SeqCst);
        let passed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if deadline != 0 && passed > deadline {
            self.lose("the Lease was not renewed in time");
        }
    }

    /// Ends the process.
    pub fn lose(&self, cause: &str) -> ! {
        tracing::error!(cause, "no longer the leader: the process ends at once");
        std::process::abort();
    }

    /// Watches the deadline from a thread of its own, which a stuck task cannot hold up.
    pub fn watch(self: &std::sync::Arc<Self>) -> std::io::Result<()> {
        let leadership = std::sync::Arc::downgrade(self);
        std::thread::Builder::new()
            .name("lease-watchdog".to_owned())
            .spawn(move || {
                while let Some(leadership) = leadership.upgrade() {
                    leadership.require();
                    drop(leadership);
                    std::thread::sleep(Duration::from_millis(250));
                }
            })
            .map(|_| ())
    }
}

impl Default for Leadership {
    fn default() -> Self {
        Self::new()
    }
}
