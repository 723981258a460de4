//! The rules that there are, each with its limit and what it says of a flight beyond it.

use serde::{Deserialize, Serialize};

use crate::domain::catalogue::Rank;
use crate::domain::refusal::Faults;
use crate::domain::review::finding::{Answer, Finding};
use crate::domain::review::inputs::Inputs;

/// A year: longer than any flight.
const MAX_MINUTES: i32 = 366 * 24 * 60;
const MAX_TYPES: usize = 200;
const MAX_TYPE_CHARS: usize = 8;
/// How many types a finding lists.
const LISTED: usize = 10;
/// Between airports closer than this, in hundredths of a nautical mile, no ratio tells anything.
const LOCAL_CENTI_NMI: i32 = 1_000;

/// `otherwise` is what it says of a flight beyond the limit: hold or reject. What is not known is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "rule",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Rule {
    MinBlockTime {
        least_min: i32,
        otherwise: Answer,
    },
    /// Feet per minute downwards, as a positive number.
    MaxLandingRate {
        most_fpm: i32,
        otherwise: Answer,
    },
    /// Distance flown, in per cent of the great circle from the track's first position to its last.
    DistanceRatio {
        least_percent: i32,
        most_percent: i32,
        otherwise: Answer,
    },
    /// ICAO type designators.
    AircraftTypes {
        types: Vec<String>,
        otherwise: Answer,
    },
    /// Between two positions of the track.
    MaxTrackGap {
        most_s: i32,
        otherwise: Answer,
    },
    /// Accepts what no other rule objects to.
    AutoAccept,
    /// The same for pilots of this rank or a higher one; others are held.
    RankAutoAccept {
        least_rank: String,
    },
}

impl Rule {
    /// Stable, as in findings and in the API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::MinBlockTime { .. } => "minBlockTime",
            Self::MaxLandingRate { .. } => "maxLandingRate",
            Self::DistanceRatio { .. } => "distanceRatio",
            Self::AircraftTypes { .. } => "aircraftTypes",
            Self::MaxTrackGap { .. } => "maxTrackGap",
            Self::AutoAccept => "autoAccept",
            Self::RankAutoAccept { .. } => "rankAutoAccept",
        }
    }

    /// Whether it accepts flights, where others only object.
    pub fn accepts(&self) -> bool {
        matches!(self, Self::AutoAccept | Self::RankAutoAccept { .. })
    }

    /// The rank that it names.
    pub fn rank(&self) -> Option<&str> {
        match self {
            Self::RankAutoAccept { least_rank } => Some(least_rank),
            _ => None,
        }
    }

    fn otherwise(&self) -> Option<Answer> {
        match self {
            Self::MinBlockTime { otherwise, .. }
            | Self::MaxLandingRate { otherwise, .. }
            | Self::DistanceRatio { otherwise, .. }
            | Self::AircraftTypes { otherwise, .. }
            | Self::MaxTrackGap { otherwise, .. } => Some(*otherwise),
            Self::AutoAccept => None,
            Self::RankAutoAccept { .. } => Some(Answer::Hold),
        }
    }

    /// What it finds; nothing when it does not concern this flight.
    pub fn look(&self, inputs: &Inputs) -> Option<Finding> {
        let (measured, kept, limit) = match self {
            Self::MinBlockTime { least_min, .. } => {
                let measured = inputs.block_time_min;
                let text = measured.map(|min| format!("{min} min"));
                let limit = format!("at least {least_min} min");
                (text, measured >= Some(*least_min), limit)
            }
            Self::MaxLandingRate { most_fpm, .. } => {
                let measured = inputs.landing_rate_fpm;
                let kept = measured.is_some_and(|fpm| fpm >= -most_fpm);
                let text = measured.map(|fpm| format!("{fpm} fpm"));
                (text, kept, format!("no harder than -{most_fpm} fpm"))
            }
            Self::DistanceRatio {
                least_percent,
                most_percent,
                ..
            } => {
                let measured = ratio_percent(inputs)?;
                let bounds = i64::from(*least_percent)..=i64::from(*most_percent);
                let kept = measured.is_some_and(|percent| bounds.contains(&percent));
                let text = measured.map(|percent| format!("{percent} %"));
                (text, kept, format!("{least_percent} to {most_percent} %"))
            }
            Self::AircraftTypes { types, .. } => {
                let measured = inputs.aircraft_type.clone();
                let kept = measured.as_ref().is_some_and(|it| types.contains(it));
                (measured, kept, listed(types))
            }
            Self::MaxTrackGap { most_s, .. } => {
                let measured = inputs.track.largest_gap_s;
                let kept = measured.is_some_and(|gap| gap <= *most_s);
                let text = measured.map(|gap| format!("{gap} s"));
                (text, kept, format!("at most {most_s} s"))
            }
            Self::AutoAccept => return None,
            Self::RankAutoAccept { least_rank } => {
                let ranks = inputs.pilot.as_ref().map(|pilot| &pilot.ranks);
                let kept = ranks.is_some_and(|ranks| ranks.contains(least_rank));
                let highest = |ranks: &Vec<String>| ranks.last().cloned();
                let text = ranks.map(|ranks| highest(ranks).unwrap_or_else(|| "none".to_owned()));
                (text, kept, format!("{least_rank} or above"))
            }
        };
        let answer = match (&measured, kept) {
            (_, true) => Answer::Accept,
            (None, false) => Answer::Hold,
            (Some(_), false) => self.otherwise()?,
        };
        Some(Finding {
            rule: self.name().to_owned(),
            answer,
            measured,
            limit,
        })
    }

    fn check(&self, faults: &mut Faults, pointer: &str, ranks: &[Rank]) {
        let mut range = |member: &str, value: i32, most: i32| {
            if !(0..=most).contains(&value) {
                let detail = format!("Must be between 0 and {most}.");
                faults.add(format!("{pointer}/{member}"), "out-of-range", detail);
            }
        };
        match self {
            Self::MinBlockTime { least_min, .. } => range("leastMin", *least_min, MAX_MINUTES),
            Self::MaxLandingRate { most_fpm, .. } => range("mostFpm", *most_fpm, 100_000),
            Self::MaxTrackGap { most_s, .. } => range("mostS", *most_s, MAX_MINUTES * 60),
            Self::DistanceRatio {
                least_percent,
                most_percent,
                ..
            } => {
                range("leastPercent", *least_percent, 10_000);
                range("mostPercent", *most_percent, 10_000);
                faults.check(
                    least_percent <= most_percent,
                    &format!("{pointer}/mostPercent"),
                    "out-of-order",
                    "Must not be below the least.",
                );
            }
            Self::AircraftTypes { types, .. } => check_types(faults, pointer, types),
            Self::AutoAccept => {}
            Self::RankAutoAccept { least_rank } => faults.check(
                ranks.iter().any(|rank| rank.name == *least_rank),
                &format!("{pointer}/leastRank"),
                "unknown",
                "The airline has no such rank.",
            ),
        }
        faults.check(
            self.otherwise() != Some(Answer::Accept),
            &format!("{pointer}/otherwise"),
            "not-an-objection",
            "Must be hold or reject.",
        );
    }
}

/// Faults of a set of rules of an airline with these ranks, by JSON pointers into it.
pub fn check(faults: &mut Faults, rules: &[Rule], ranks: &[Rank]) {
    for (index, rule) in rules.iter().enumerate() {
        let pointer = format!("/rules/{index}");
        rule.check(faults, &pointer, ranks);
        // Whoever is accepted by one rule would be held by the other.
        let alike = |it: &Rule| it.name() == rule.name() || (it.accepts() && rule.accepts());
        let twice = rules[..index].iter().any(alike);
        faults.check(
            !twice,
            &pointer,
            "duplicate",
            "There is such a rule before it.",
        );
    }
}

fn check_types(faults: &mut Faults, pointer: &str, types: &[String]) {
    if types.is_empty() || types.len() > MAX_TYPES {
        let detail = format!("Must be 1 to {MAX_TYPES} types.");
        faults.add(format!("{pointer}/types"), "out-of-range", detail);
    }
    for (index, name) in types.iter().enumerate().take(MAX_TYPES) {
        let designator = (1..=MAX_TYPE_CHARS).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        faults.check(
            designator,
            &format!("{pointer}/types/{index}"),
            "not-a-designator",
            "Must be an ICAO type designator, such as B744.",
        );
    }
}

/// Per cent, rounded; an outer none when there is no way to speak of, an inner one when it is not known.
fn ratio_percent(inputs: &Inputs) -> Option<Option<i64>> {
    let Some(direct) = inputs.track.great_circle_centi_nmi else {
        return Some(None);
    };
    if direct < LOCAL_CENTI_NMI {
        return None;
    }
    let flown = inputs.distance_centi_nmi.map(i64::from);
    let direct = i64::from(direct);
    Some(flown.map(|flown| (flown * 100 + direct / 2) / direct))
}

fn listed(types: &[String]) -> String {
    let more = types.len().saturating_sub(LISTED);
    let list = types[..types.len() - more].join(", ");
    match more {
        0 => list,
        more => format!("{list} and {more} more"),
    }
}
