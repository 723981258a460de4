//! How a process ends: at once on Ctrl-C, after a moment on SIGTERM, and never in the middle of a request.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// After SIGTERM, requests still arrive until the cluster has taken this pod off its Service.
const NOTICE: Duration = Duration::from_secs(3);
/// Requests that take longer are cut off.
const DRAIN: Duration = Duration::from_secs(20);

/// The tasks of a process and the two moments of its end.
#[derive(Clone, Default)]
pub struct Shutdown {
    /// It is going to end: not ready any more.
    pub announced: CancellationToken,
    /// It ends: no new work.
    pub begun: CancellationToken,
    pub tasks: TaskTracker,
}

impl Shutdown {
    /// Ends with the process's signals.
    pub fn on_signals() -> anyhow::Result<Self> {
        let shutdown = Self::default();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (announced, begun) = (shutdown.announced.clone(), shutdown.begun.clone());
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => announced.cancel(),
                _ = terminate.recv() => {
                    announced.cancel();
                    tokio::time::sleep(NOTICE).await;
                }
            }
            tracing::info!("shutting down");
            begun.cancel();
        });
        Ok(shutdown)
    }

    /// Waits for the end, and then for what has begun.
    pub async fn finished(self) {
        self.begun.cancelled().await;
        self.tasks.close();
        if tokio::time::timeout(DRAIN, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("some requests did not end in time");
        }
    }
}
