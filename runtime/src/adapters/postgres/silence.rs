//! What the silence of one connection says about the others.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::adapters::failure::{self, Failure};

/// A connection that is asked whether it lives and is silent for longer leads nowhere: its server or the way to it is
/// gone without a word.
const SILENCE: Duration = Duration::from_secs(2);

/// Once one connection was silent, those that were made before are not trusted either: whoever waited for the answer
/// of each in turn would wait for minutes.
#[derive(Clone, Debug, Default)]
pub struct Silence(Arc<Mutex<Option<Instant>>>);

impl Silence {
    /// The answer of a batch, for which others wait.
    pub async fn in_time<T>(
        &self,
        batch: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let answer = failure::in_time(batch).await;
        if matches!(&answer, Err(Failure::Unreachable(error)) if error.is::<tokio::time::error::Elapsed>())
        {
            self.notice();
        }
        answer
    }

    /// The answer to the question whether somebody is there.
    pub async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        match timeout(SILENCE, answer).await {
            Ok(answer) => answer,
            Err(silence) => {
                self.notice();
                Err(sqlx::Error::Io(silence.into()))
            }
        }
    }

    /// Whether a connection that was last known to live at `moment` may be dead as well.
    pub fn is_since(&self, moment: Instant) -> bool {
        self.last().is_some_and(|last| moment <= last)
    }

    fn notice(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn last(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
