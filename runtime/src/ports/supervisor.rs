//! Keeps background tasks going: one that panics or ends is logged, counted and begun again.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ports::backoff::Backoff;
use crate::ports::clock::Entropy;

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TaskLabel {
    task: &'static str,
}

/// Watches over the tasks of one airline.
#[derive(Clone)]
pub struct Supervisor {
    entropy: Arc<dyn Entropy>,
    failures: Family<TaskLabel, Counter>,
}

impl Supervisor {
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self {
            entropy,
            failures: Family::default(),
        }
    }

    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.register(
            "albatross_task_failures",
            "Times that a background task panicked or ended, and was begun again",
            self.failures.clone(),
        );
    }

    /// Runs a task that ends of itself after `stop` only; whatever else ends it, it is begun again after a while.
    pub async fn keep<F: Future<Output = ()>>(
        &self,
        task: &'static str,
        stop: &CancellationToken,
        begin: impl Fn() -> F,
    ) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let begun = Instant::now();
            // What the task shares with others is behind locks that survive a panic, or in a transaction.
            let ended = AssertUnwindSafe(begin()).catch_unwind().await;
            if stop.is_cancelled() {
                return;
            }
            let reason = match &ended {
                Ok(()) => "it ended",
                Err(panic) => message(&**panic),
            };
            self.failures.get_or_create(&TaskLabel { task }).inc();
            if begun.elapsed() > LONGEST_WAIT {
                backoff.reset();
            }
            let wait = backoff.next(&*self.entropy);
            tracing::error!(task, reason, ?wait, "a background task is begun again");
            if stop
                .run_until_cancelled(tokio::time::sleep(wait))
                .await
                .is_none()
            {
                return;
            }
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it panicked")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    struct Zeros;

    impl Entropy for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    fn failures(supervisor: &Supervisor) -> u64 {
        let label = TaskLabel { task: "test" };
        supervisor.failures.get_or_create(&label).get()
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_or_ends_is_begun_again_until_the_stop() {
        let supervisor = Supervisor::new(Arc::new(Zeros));
        let (stop, runs) = (CancellationToken::new(), AtomicU32::new(0));
        let task = || async {
            match runs.fetch_add(1, Ordering::Relaxed) {
                0 => panic!("a fault of ours"),
                1 => {}
                _ => {
                    stop.cancel();
                }
            }
        };
        supervisor.keep("test", &stop, task).await;
        assert_eq!(runs.into_inner(), 3);
        assert_eq!(failures(&supervisor), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_fails_at_once_is_begun_less_and_less_often() {
        let supervisor = Supervisor::new(Arc::new(Zeros));
        let stop = CancellationToken::new();
        let task = || async { panic!("again") };
        let kept = supervisor.keep("test", &stop, task);
        let hour = Duration::from_secs(3_600);
        assert!(tokio::time::timeout(hour, kept).await.is_err());
        // Half a minute at most, halved by this jitter.
        assert!(
            (235..260).contains(&failures(&supervisor)),
            "{}",
            failures(&supervisor)
        );
    }
}
