//! What rules look at, as it was when they did.

use serde::{Deserialize, Serialize};

use crate::domain::catalogue::Rank;
use crate::domain::review::finding::{Answer, Finding};

/// Absent is what is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Inputs {
    pub aircraft_type: Option<String>,
    pub block_time_min: Option<i32>,
    /// Feet per minute, negative downwards.
    pub landing_rate_fpm: Option<i32>,
    /// Hundredths of a nautical mile.
    pub distance_centi_nmi: Option<i32>,
    /// The last sequence number that the client named, counted from 0: one less of those who count from 1.
    pub last_sequence: Option<i32>,
    pub track: TrackInputs,
    /// Submitted while the pilot was suspended.
    pub held: bool,
    /// None unless a rule asks for it.
    pub pilot: Option<PilotInputs>,
}

/// What the pilot had flown when the flight was submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PilotInputs {
    /// Minutes of decided flights that count towards a rank.
    pub counted_min: i64,
    /// All that the pilot has risen to, the highest last.
    pub ranks: Vec<String>,
}

/// What the positions tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrackInputs {
    /// How many there are.
    pub positions: i64,
    /// From the first position to the last, in hundredths of a nautical mile.
    pub great_circle_centi_nmi: Option<i32>,
    /// The longest time between two positions.
    pub largest_gap_s: Option<i32>,
}

impl TrackInputs {
    /// Whether every position has arrived up to the number that the client named, counted from 0.
    pub fn is_whole(&self, last_sequence: Option<i32>) -> bool {
        last_sequence.is_none_or(|last| self.positions > i64::from(last))
    }
}

impl PilotInputs {
    /// `ranks` in the order in which pilots rise.
    pub fn of(counted_min: i64, ranks: &[Rank]) -> Self {
        let held = |rank: &&Rank| counted_min >= i64::from(rank.min_hours) * 60;
        let held = ranks.iter().filter(held);
        Self {
            counted_min,
            ranks: held.map(|rank| rank.name.clone()).collect(),
        }
    }
}

impl Inputs {
    /// What keeps any rule from accepting it.
    pub fn objections(&self) -> Vec<Finding> {
        let hold = |rule: &str, measured: String, limit: String| Finding {
            rule: rule.to_owned(),
            answer: Answer::Hold,
            measured: Some(measured),
            limit,
        };
        let mut findings = Vec::new();
        if self.held {
            let (measured, limit) = ("suspended".to_owned(), "not suspended".to_owned());
            findings.push(hold("pilot", measured, limit));
        }
        if let Some(last) = self.last_sequence
            && !self.track.is_whole(self.last_sequence)
        {
            let measured = format!("{} positions", self.track.positions);
            let limit = format!("{} positions", i64::from(last) + 1);
            findings.push(hold("wholeTrack", measured, limit));
        }
        findings
    }
}
