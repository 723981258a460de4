//! Whether requests may be sent here: once the read model has caught up, and whatever becomes of it after that.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::application::projections::LaneStatus;

/// Events; a lane that is further behind shows too little of the airline.
const FAR: i64 = 1_000;
/// A lane that has not moved for this long is not helped by waiting: all pods share it.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is remembered from one look to the next.
#[derive(Default)]
pub struct Readiness(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// Stays: an event that stops a lane must not take every pod out of service.
    caught_up: bool,
    /// Where the log was at the first look: whoever was shown that is shown it here too.
    head: Option<i64>,
    /// Each lane's position, and since when it stands there.
    lanes: Vec<(i64, Instant)>,
}

impl Readiness {
    /// Ready, with what is degraded; or what is awaited.
    ///
    /// # Errors
    /// While a lane has yet to catch up for the first time, with the names of those lanes.
    pub fn judge(&self, lanes: &[LaneStatus], now: Instant) -> Result<Vec<String>, String> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = seen.since(lanes, now);
        let known = lanes.iter().map(|lane| lane.position + lane.behind).max();
        let head = *seen.head.get_or_insert(known.unwrap_or_default());
        let head = if seen.caught_up { 0 } else { head };
        let lagging = lanes.iter().zip(since).filter(|(lane, _)| lags(lane, head));
        let lagging: Vec<_> = lagging.collect();
        // What is built stands still until it is whole.
        let waiting = lagging
            .iter()
            .any(|(lane, since)| lane.unbuilt || now.duration_since(*since) < PATIENCE);
        let described: Vec<String> = lagging.iter().map(|(lane, _)| describe(lane)).collect();
        if waiting && !seen.caught_up {
            return Err(described.join("; "));
        }
        seen.caught_up = true;
        Ok(described)
    }
}

impl Seen {
    /// Since when each lane stands where it stands.
    fn since(&mut self, lanes: &[LaneStatus], now: Instant) -> Vec<Instant> {
        let before = std::mem::take(&mut self.lanes);
        self.lanes = lanes
            .iter()
            .enumerate()
            .map(|(index, lane)| match before.get(index) {
                Some((position, since)) if *position == lane.position => (*position, *since),
                _ => (lane.position, now),
            })
            .collect();
        self.lanes.iter().map(|(_, since)| *since).collect()
    }
}

fn lags(lane: &LaneStatus, head: i64) -> bool {
    lane.unbuilt || lane.stopped_at.is_some() || lane.behind > FAR || lane.position < head
}

fn describe(lane: &LaneStatus) -> String {
    let (name, behind) = (lane.lane, lane.behind);
    match lane.stopped_at {
        // Whoever only serves would wait in vain where nobody works.
        None if lane.unbuilt => format!(
            "projection {name} has yet to be built from {behind} events, by a process that works (`albatross work`, or `serve --worker true`)"
        ),
        Some(position) => format!(
            "projection {name} stopped before position {}, which it cannot read; {behind} events wait",
            position + 1
        ),
        None => format!("projection {name} is {behind} events behind"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(position: i64, behind: i64, stopped: bool) -> LaneStatus {
        LaneStatus {
            lane: "flights",
            position,
            behind,
            stopped_at: stopped.then_some(position),
            unbuilt: false,
        }
    }

    #[test]
    fn a_lane_that_is_built_is_awaited_however_long_it_takes() {
        let (ready, now) = (Readiness::default(), Instant::now());
        let unbuilt = LaneStatus {
            unbuilt: true,
            ..lane(0, 300, false)
        };
        let error = ready.judge(&[unbuilt], now).unwrap_err();
        assert_eq!(
            error,
            "projection flights has yet to be built from 300 events, by a process that works (`albatross work`, or `serve --worker true`)"
        );
        assert!(ready.judge(&[unbuilt], now + PATIENCE * 9).is_err());
        let later = now + PATIENCE * 10;
        assert_eq!(ready.judge(&[lane(300, 0, false)], later), Ok(Vec::new()));
    }

    #[test]
    fn all_that_the_log_held_at_the_first_look_is_awaited() {
        let (ready, now) = (Readiness::default(), Instant::now());
        let error = ready.judge(&[lane(90, 10, false)], now).unwrap_err();
        assert_eq!(error, "projection flights is 10 events behind");
        assert!(ready.judge(&[lane(99, 40, false)], now).is_err());
        assert_eq!(ready.judge(&[lane(100, 50, false)], now), Ok(Vec::new()));
        assert_eq!(ready.judge(&[lane(90, 70, false)], now), Ok(Vec::new()));
    }

    #[test]
    fn a_lane_that_is_far_behind_at_start_is_awaited_by_name() {
        let (ready, now) = (Readiness::default(), Instant::now());
        let error = ready.judge(&[lane(0, 5_000, false)], now).unwrap_err();
        assert_eq!(error, "projection flights is 5000 events behind");
        assert_eq!(ready.judge(&[lane(5_000, 500, false)], now), Ok(Vec::new()));
    }

    #[test]
    fn a_lane_that_has_stopped_at_start_is_awaited_but_not_for_ever() {
        let (ready, now) = (Readiness::default(), Instant::now());
        let stopped = [lane(16, 3, true)];
        let error = ready.judge(&stopped, now).unwrap_err();
        assert!(
            error.contains("flights stopped before position 17"),
            "{error}"
        );
        assert!(ready.judge(&stopped, now + PATIENCE / 2).is_err());
        let degraded = ready.judge(&stopped, now + PATIENCE).unwrap();
        assert!(degraded[0].contains("3 events wait"), "{degraded:?}");
    }

    #[test]
    fn a_lane_that_still_moves_is_awaited_however_long_it_takes() {
        let (ready, now) = (Readiness::default(), Instant::now());
        assert!(ready.judge(&[lane(0, 9_000, false)], now).is_err());
        let later = now + PATIENCE * 5;
        assert!(ready.judge(&[lane(1_000, 8_000, false)], later).is_err());
    }

    #[test]
    fn what_stops_or_lags_later_is_told_and_takes_nobody_out_of_service() {
        let (ready, now) = (Readiness::default(), Instant::now());
        assert_eq!(ready.judge(&[lane(5, 0, false)], now), Ok(Vec::new()));
        assert_eq!(ready.judge(&[lane(5, 1, true)], now).unwrap().len(), 1);
        assert_eq!(ready.judge(&[lane(5, 9_000, false)], now).unwrap().len(), 1);
    }
}
