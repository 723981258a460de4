//! Review rules and what they find, as JSON.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::application::rules::TriedFlight;
use crate::domain::pirep::PirepState;
use crate::domain::review::{self, Answer, Rule, Rules};

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum RuleName {
    /// `leastMin`: the least block time.
    MinBlockTime,
    /// `mostFpm`: the hardest landing, downwards.
    MaxLandingRate,
    /// `leastPercent` to `mostPercent`: distance flown, of the great circle from the track's first position to its last.
    DistanceRatio,
    /// `types`: ICAO type designators that may be flown.
    AircraftTypes,
    /// `mostS`: the longest time between two positions of the track.
    MaxTrackGap,
    /// Accepts what no other rule objects to; takes no members. Without it, nothing is accepted but by staff.
    AutoAccept,
    /// `leastRank`: accepts the same of pilots who had this rank or a higher one when they submitted, and holds what others
    /// fly. Not beside `autoAccept`.
    RankAutoAccept,
}

/// One rule: its name, the limits that this name takes, and what it says of a flight beyond them.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReviewRule {
    #[schema(inline)]
    pub rule: RuleName,
    /// `hold` or `reject`. What is not known is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Answer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 20)]
    pub least_min: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_fpm: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_percent: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_percent: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_s: Option<i32>,
    /// Name of one of the airline's ranks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_rank: Option<String>,
}

/// The rules that stand.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewRules {
    /// How often they have been changed.
    #[schema(example = 3)]
    pub version: i32,
    pub rules: Vec<ReviewRule>,
}

/// All of the rules, in the place of those that stand.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetRules {
    pub rules: Vec<ReviewRule>,
}

/// Rules to be tried out.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TryRules {
    pub rules: Vec<ReviewRule>,
    /// How many flights at most, the last that were submitted; 100 unless it says otherwise.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 500)]
    pub flights: Option<usize>,
}

/// What rules would have made of flights.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRun {
    pub counts: DryRunCounts,
    /// The last submitted first.
    pub flights: Vec<DryRunFlight>,
}

#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRunCounts {
    pub flights: usize,
    pub accept: usize,
    pub hold: usize,
    pub reject: usize,
    /// How many stand otherwise than these rules would have left them.
    pub differ: usize,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRunFlight {
    pub id: Uuid,
    pub flight_number: Option<String>,
    pub submitted_at: Option<Timestamp>,
    /// How it stands now.
    pub state: PirepState,
    pub answer: Answer,
    /// It stands otherwise than these rules would have left it.
    pub differs: bool,
    pub findings: Vec<Finding>,
}

/// What a rule measured, and what its limit is.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Name of the rule; `pilot` and `wholeTrack` stand for what every airline holds.
    #[schema(example = "minBlockTime")]
    pub rule: String,
    pub answer: Answer,
    /// Null when it is not known.
    #[schema(example = "12 min")]
    pub measured: Option<String>,
    #[schema(example = "at least 20 min")]
    pub limit: String,
}

impl ReviewRule {
    fn named(rule: RuleName, otherwise: Option<Answer>) -> Self {
        Self {
            rule,
            otherwise,
            least_min: None,
            most_fpm: None,
            least_percent: None,
            most_percent: None,
            types: None,
            most_s: None,
            least_rank: None,
        }
    }
}

impl From<Rule> for ReviewRule {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::MinBlockTime {
                least_min,
                otherwise,
            } => Self {
                least_min: Some(least_min),
                ..Self::named(RuleName::MinBlockTime, Some(otherwise))
            },
            Rule::MaxLandingRate {
                most_fpm,
                otherwise,
            } => Self {
                most_fpm: Some(most_fpm),
                ..Self::named(RuleName::MaxLandingRate, Some(otherwise))
            },
            Rule::DistanceRatio {
                least_percent,
                most_percent,
                otherwise,
            } => Self {
                least_percent: Some(least_percent),
                most_percent: Some(most_percent),
                ..Self::named(RuleName::DistanceRatio, Some(otherwise))
            },
            Rule::AircraftTypes { types, otherwise } => Self {
                types: Some(types),
                ..Self::named(RuleName::AircraftTypes, Some(otherwise))
            },
            Rule::MaxTrackGap { most_s, otherwise } => Self {
                most_s: Some(most_s),
                ..Self::named(RuleName::MaxTrackGap, Some(otherwise))
            },
            Rule::AutoAccept => Self::named(RuleName::AutoAccept, None),
            Rule::RankAutoAccept { least_rank } => Self {
                least_rank: Some(least_rank),
                ..Self::named(RuleName::RankAutoAccept, None)
            },
        }
    }
}

impl From<Rules> for ReviewRules {
    fn from(rules: Rules) -> Self {
        Self {
            version: rules.version,
            rules: rules.rules.into_iter().map(ReviewRule::from).collect(),
        }
    }
}

impl From<review::Finding> for Finding {
    fn from(finding: review::Finding) -> Self {
        Self {
            rule: finding.rule,
            answer: finding.answer,
            measured: finding.measured,
            limit: finding.limit,
        }
    }
}

impl From<TriedFlight> for DryRunFlight {
    fn from(flight: TriedFlight) -> Self {
        let differs = flight.differs();
        let findings = flight.review.findings.into_iter();
        Self {
            id: flight.id.0,
            flight_number: flight.flight_number,
            submitted_at: flight.submitted_at,
            state: flight.state,
            answer: flight.review.answer,
            differs,
            findings: findings.map(Finding::from).collect(),
        }
    }
}

impl From<Vec<TriedFlight>> for DryRun {
    fn from(tried: Vec<TriedFlight>) -> Self {
        let flights: Vec<_> = tried.into_iter().map(DryRunFlight::from).collect();
        let count = |wanted: &dyn Fn(&DryRunFlight) -> bool| {
            flights.iter().filter(|flight| wanted(flight)).count()
        };
        Self {
            counts: DryRunCounts {
                flights: flights.len(),
                accept: count(&|it| it.answer == Answer::Accept),
                hold: count(&|it| it.answer == Answer::Hold),
                reject: count(&|it| it.answer == Answer::Reject),
                differ: count(&|it| it.differs),
            },
            flights,
        }
    }
}
