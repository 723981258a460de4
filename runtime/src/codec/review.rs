//! Review rules and what they found, as stored.

use albatross_proto::v1::{self as wire, ReviewAnswer, ReviewRuleKind as Kind};

use crate::codec::error::DecodeError;
use crate::domain::review::{
    Answer, Finding, Inputs, PilotInputs, Review, Rule, Rules, TrackInputs,
};

pub fn rules_to_wire(rules: &Rules) -> wire::RulesChanged {
    wire::RulesChanged {
        version: rules.version,
        rules: rules.rules.iter().map(rule_to_wire).collect(),
    }
}

pub fn rules(message: wire::RulesChanged) -> Result<Rules, DecodeError> {
    let rules = message.rules.into_iter().map(rule);
    Ok(Rules {
        version: message.version,
        rules: rules.collect::<Result<_, _>>()?,
    })
}

fn rule_to_wire(rule: &Rule) -> wire::ReviewRule {
    let of = |kind: Kind, otherwise: Answer| wire::ReviewRule {
        kind: kind.into(),
        otherwise: answer_to_wire(otherwise),
        ..wire::ReviewRule::default()
    };
    match rule {
        Rule::MinBlockTime {
            least_min,
            otherwise,
        } => wire::ReviewRule {
            least_block_time_min: *least_min,
            ..of(Kind::MinBlockTime, *otherwise)
        },
        Rule::MaxLandingRate {
            most_fpm,
            otherwise,
        } => wire::ReviewRule {
            most_landing_rate_fpm: *most_fpm,
            ..of(Kind::MaxLandingRate, *otherwise)
        },
        Rule::DistanceRatio {
            least_percent,
            most_percent,
            otherwise,
        } => wire::ReviewRule {
            least_distance_percent: *least_percent,
            most_distance_percent: *most_percent,
            ..of(Kind::DistanceRatio, *otherwise)
        },
        Rule::AircraftTypes { types, otherwise } => wire::ReviewRule {
            aircraft_types: types.clone(),
            ..of(Kind::AircraftTypes, *otherwise)
        },
        Rule::MaxTrackGap { most_s, otherwise } => wire::ReviewRule {
            most_track_gap_s: *most_s,
            ..of(Kind::MaxTrackGap, *otherwise)
        },
        Rule::AutoAccept => wire::ReviewRule {
            kind: Kind::AutoAccept.into(),
            ..wire::ReviewRule::default()
        },
        Rule::RankAutoAccept { least_rank } => wire::ReviewRule {
            kind: Kind::RankAutoAccept.into(),
            least_rank: least_rank.clone(),
            ..wire::ReviewRule::default()
        },
    }
}

fn rule(message: wire::ReviewRule) -> Result<Rule, DecodeError> {
    let otherwise = answer("rule.otherwise", message.otherwise);
    let kind = Kind::try_from(message.kind).map_err(|_| DecodeError::Invalid("rule.kind"))?;
    Ok(match kind {
        Kind::MinBlockTime => Rule::MinBlockTime {
            least_min: message.least_block_time_min,
            otherwise: otherwise?,
        },
        Kind::MaxLandingRate => Rule::MaxLandingRate {
            most_fpm: message.most_landing_rate_fpm,
            otherwise: otherwise?,
        },
        Kind::DistanceRatio => Rule::DistanceRatio {
            least_percent: message.least_distance_percent,
            most_percent: message.most_distance_percent,
            otherwise: otherwise?,
        },
        Kind::AircraftTypes => Rule::AircraftTypes {
            types: message.aircraft_types,
            otherwise: otherwise?,
        },
        Kind::MaxTrackGap => Rule::MaxTrackGap {
            most_s: message.most_track_gap_s,
            otherwise: otherwise?,
        },
        Kind::AutoAccept => Rule::AutoAccept,
        Kind::RankAutoAccept => Rule::RankAutoAccept {
            least_rank: message.least_rank,
        },
        Kind::Unspecified => return Err(DecodeError::Invalid("rule.kind")),
    })
}

pub fn review_to_wire(review: &Review) -> wire::PirepReviewed {
    let Inputs {
        aircraft_type,
        block_time_min,
        landing_rate_fpm,
        distance_centi_nmi,
        last_sequence,
        track,
        held,
        pilot,
    } = &review.inputs;
    wire::PirepReviewed {
        rules_version: review.rules_version,
        answer: answer_to_wire(review.answer),
        inputs: Some(wire::ReviewInputs {
            aircraft_type: aircraft_type.clone(),
            block_time_min: *block_time_min,
            landing_rate_fpm: *landing_rate_fpm,
            distance_centi_nmi: *distance_centi_nmi,
            last_sequence: *last_sequence,
            positions: track.positions,
            great_circle_centi_nmi: track.great_circle_centi_nmi,
            largest_gap_s: track.largest_gap_s,
            held: *held,
            pilot: pilot.as_ref().map(|pilot| wire::ReviewPilot {
                counted_min: pilot.counted_min,
                ranks: pilot.ranks.clone(),
            }),
        }),
        findings: review.findings.iter().map(finding_to_wire).collect(),
    }
}

pub fn review(message: wire::PirepReviewed) -> Result<Review, DecodeError> {
    let inputs = message.inputs.ok_or(DecodeError::Missing("inputs"))?;
    let findings = message.findings.into_iter().map(finding);
    Ok(Review {
        rules_version: message.rules_version,
        answer: answer("answer", message.answer)?,
        inputs: Inputs {
            aircraft_type: inputs.aircraft_type,
            block_time_min: inputs.block_time_min,
            landing_rate_fpm: inputs.landing_rate_fpm,
            distance_centi_nmi: inputs.distance_centi_nmi,
            last_sequence: inputs.last_sequence,
            track: TrackInputs {
                positions: inputs.positions,
                great_circle_centi_nmi: inputs.great_circle_centi_nmi,
                largest_gap_s: inputs.largest_gap_s,
            },
            held: inputs.held,
            pilot: inputs.pilot.map(|pilot| PilotInputs {
                counted_min: pilot.counted_min,
                ranks: pilot.ranks,
            }),
        },
        findings: findings.collect::<Result<_, _>>()?,
    })
}

fn finding_to_wire(finding: &Finding) -> wire::ReviewFinding {
    wire::ReviewFinding {
        rule: finding.rule.clone(),
        answer: answer_to_wire(finding.answer),
        measured: finding.measured.clone(),
        limit: finding.limit.clone(),
    }
}

fn finding(message: wire::ReviewFinding) -> Result<Finding, DecodeError> {
    Ok(Finding {
        rule: message.rule,
        answer: answer("finding.answer", message.answer)?,
        measured: message.measured,
        limit: message.limit,
    })
}

fn answer_to_wire(answer: Answer) -> i32 {
    let answer = match answer {
        Answer::Accept => ReviewAnswer::Accept,
        Answer::Hold => ReviewAnswer::Hold,
        Answer::Reject => ReviewAnswer::Reject,
    };
    answer.into()
}

fn answer(field: &'static str, value: i32) -> Result<Answer, DecodeError> {
    match ReviewAnswer::try_from(value) {
        Ok(ReviewAnswer::Accept) => Ok(Answer::Accept),
        Ok(ReviewAnswer::Hold) => Ok(Answer::Hold),
        Ok(ReviewAnswer::Reject) => Ok(Answer::Reject),
        Ok(ReviewAnswer::Unspecified) | Err(_) => Err(DecodeError::Invalid(field)),
    }
}
