//! How many streams each caller holds open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::gauge::Gauge;

use crate::http::problem::{Problem, kind};

/// Most streams of one user or key at once: a person's tabs share one, so this is many devices.
pub const MOST: usize = 20;

type ByCaller = Mutex<HashMap<String, usize>>;

/// The open streams of one airline.
#[derive(Default)]
pub struct OpenStreams(Arc<ByCaller>);

impl OpenStreams {
    /// One more of this caller's.
    ///
    /// # Errors
    /// `rate-limited` when the caller holds as many as there may be.
    pub fn open(&self, caller: String, gauge: Gauge) -> Result<OpenStream, Problem> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(caller.clone()).or_default();
        if *count >= MOST {
            return Err(Problem::new(kind::RATE_LIMITED)
                .detail(format!(
                    "at most {MOST} streams are open at once: close one"
                ))
                .retry_after(60));
        }
        *count += 1;
        gauge.inc();
        let by_caller = self.0.clone();
        Ok(OpenStream {
            by_caller,
            caller,
            gauge,
        })
    }
}

/// Counted for as long as it lives.
pub struct OpenStream {
    by_caller: Arc<ByCaller>,
    caller: String,
    gauge: Gauge,
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.gauge.dec();
        let mut open = self
            .by_caller
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.caller);
            }
        }
    }
}
