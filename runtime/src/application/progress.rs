//! How far something long has come, for whoever reads the log.

use std::time::Duration;

use tokio::time::Instant;

/// Tenths that pass faster are left out.
const NOT_BEFORE: Duration = Duration::from_secs(1);
/// Who waits is told at the latest after this.
const AT_LATEST: Duration = Duration::from_secs(10);

/// Lines of the log: at the beginning, at each tenth, every ten seconds, and at the end.
pub struct ProgressLog {
    what: String,
    said: Option<Said>,
}

struct Said {
    percent: i64,
    at: Instant,
}

impl ProgressLog {
    pub fn new(what: impl Into<String>) -> Self {
        let what = what.into();
        Self { what, said: None }
    }

    /// So much of it is done.
    pub fn at(&mut self, done: i64, of: i64) {
        if self.is_due(done, of, Instant::now()) {
            tracing::info!("{} {} % ({done} of {of})", self.what, percent(done, of));
        }
    }

    fn is_due(&mut self, done: i64, of: i64, now: Instant) -> bool {
        let percent = percent(done, of);
        let due = self.said.as_ref().is_none_or(|said| {
            let silence = now.duration_since(said.at);
            let is_next = percent / 10 > said.percent / 10;
            silence >= AT_LATEST || (is_next && (silence >= NOT_BEFORE || percent >= 100))
        });
        if due {
            self.said = Some(Said { percent, at: now });
        }
        due
    }
}

/// Of nothing, all is done.
pub fn percent(done: i64, of: i64) -> i64 {
    match of {
        ..=0 => 100,
        _ => done.saturating_mul(100) / of,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_by_tenths_by_time_and_at_the_end() {
        let begun = Instant::now();
        let mut log = ProgressLog::new("building flights");
        let mut due = |done, seconds| {
            let now = begun + Duration::from_secs_f64(seconds);
            log.is_due(done, 1_000, now)
        };
        assert!(due(1, 0.0), "it has begun");
        assert!(!due(99, 3.0));
        assert!(due(100, 3.1));
        assert!(!due(200, 3.2), "faster than anybody reads");
        assert!(due(201, 4.2));
        assert!(!due(202, 14.1));
        assert!(due(203, 14.3), "slow, and not silent");
        assert!(due(1_000, 14.4), "it has ended");
        assert!(!due(1_000, 14.5), "once");
    }

    #[test]
    fn nothing_is_done_at_once() {
        assert_eq!([percent(0, 0), percent(0, 5), percent(5, 5)], [100, 0, 100]);
    }
}
