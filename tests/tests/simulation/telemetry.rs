//! The telemetry of every simulated flight, and what it must lead to.

use std::ops::Range;

use albatross::domain::pirep::Milestone;
use jiff::Timestamp;
use serde_json::{Value, json};

/// A sample of each, in order.
const PHASES: [&str; 12] = [
    "BST", "PBT", "TXI", "TOF", "ICL", "ENR", "ENR", "APR", "LDG", "TXI", "ONB", "ONB",
];
pub const LAST: i32 = PHASES.len() as i32 - 1;
pub const BATCHES: [Range<i32>; 4] = [0..3, 3..6, 6..9, 9..12];
/// The samples with which its milestones begin.
pub const MILESTONES: [(Milestone, i32); 4] = [
    (Milestone::OffBlock, 1),
    (Milestone::TakeOff, 3),
    (Milestone::Landing, 8),
    (Milestone::OnBlock, 10),
];

/// How many of them are certain once these batches have arrived: as far as none is missing, a landing with on-block.
pub fn certain(arrived: &[Range<i32>]) -> usize {
    let whole = BATCHES.iter().take_while(|it| arrived.contains(it)).count();
    [0, 1, 2, 2, MILESTONES.len()][whole]
}

pub fn time(sequence: i32) -> Timestamp {
    Timestamp::from_second(1_777_000_000 + i64::from(sequence) * 60).unwrap()
}

pub fn positions(sequences: Range<i32>) -> Vec<Value> {
    let position = |sequence: i32| {
        json!({
            "sequence": sequence, "time": time(sequence), "lat": 41.8, "lon": 12.2 + f64::from(sequence) / 10.0,
            "groundSpeedKt": 200, "phase": PHASES[sequence as usize],
        })
    };
    sequences.map(position).collect()
}
