//! Review rules: what an airline lets be decided without its staff. Pure: the same inputs lead to the same answer.

pub mod finding;
pub mod inputs;
pub mod rule;

use serde::{Deserialize, Serialize};

pub use finding::{Answer, Finding};
pub use inputs::{Inputs, PilotInputs, TrackInputs};
pub use rule::{Rule, check};

/// The rules that stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// How often they have been changed; 0 before the first time.
    pub version: i32,
    /// None: staff decide everything, and nothing is recorded.
    pub rules: Vec<Rule>,
}

/// What rules made of a flight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    pub rules_version: i32,
    pub answer: Answer,
    pub inputs: Inputs,
    /// One for each rule that looked at something, in their order.
    pub findings: Vec<Finding>,
}

impl Rules {
    /// Asks every rule, and takes the worst answer. Nothing is accepted but by a rule that [accepts](Rule::accepts), and
    /// neither a flight of a suspended pilot nor one whose track is not whole.
    pub fn review(&self, inputs: &Inputs) -> Review {
        let accepts = self.rules.iter().any(Rule::accepts);
        let base = if accepts {
            Answer::Accept
        } else {
            Answer::Hold
        };
        let findings: Vec<Finding> = inputs
            .objections()
            .into_iter()
            .chain(self.rules.iter().filter_map(|rule| rule.look(inputs)))
            .collect();
        let answers = findings.iter().map(|finding| finding.answer);
        Review {
            rules_version: self.version,
            answer: answers.max().map_or(base, |worst| worst.max(base)),
            inputs: inputs.clone(),
            findings,
        }
    }

    /// Whether any rule looks at the track.
    pub fn read_track(&self) -> bool {
        let of_track =
            |rule: &Rule| matches!(rule, Rule::DistanceRatio { .. } | Rule::MaxTrackGap { .. });
        self.rules.iter().any(of_track)
    }

    /// Whether any rule looks at what the pilot has flown.
    pub fn read_pilot(&self) -> bool {
        let of_pilot = |rule: &Rule| matches!(rule, Rule::RankAutoAccept { .. });
        self.rules.iter().any(of_pilot)
    }
}

impl Review {
    /// Why it rejects, in a sentence for its pilot.
    pub fn reason(&self) -> String {
        let against = self.findings.iter().filter(|it| it.answer == self.answer);
        let against = against.map(|finding| {
            let measured = finding.measured.as_deref().unwrap_or("not known");
            format!("{}: {measured} / {}", finding.rule, finding.limit)
        });
        let against: Vec<String> = against.collect();
        format!("By the airline's rules: {}.", against.join("; "))
    }
}
