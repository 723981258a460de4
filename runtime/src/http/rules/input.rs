//! Rules as callers send them: each with the members that its name takes, and no others.

use crate::domain::review::Rule;
use crate::http::problem::{FieldError, Problem, kind};
use crate::http::rules::dto::{ReviewRule, RuleName};

/// # Errors
/// 422 with every member that a rule lacks, or that it does not take.
pub fn rules(bodies: Vec<ReviewRule>) -> Result<Vec<Rule>, Problem> {
    let mut errors = Vec::new();
    let each = bodies.into_iter().enumerate();
    let rules = each.filter_map(|(index, body)| {
        Members {
            pointer: format!("/rules/{index}"),
            body,
            errors: &mut errors,
        }
        .rule()
    });
    let rules: Vec<Rule> = rules.collect();
    match errors.is_empty() {
        true => Ok(rules),
        false => Err(Problem::new(kind::VALIDATION).errors(errors)),
    }
}

/// The members of one rule, each taken once.
struct Members<'a> {
    pointer: String,
    body: ReviewRule,
    errors: &'a mut Vec<FieldError>,
}

impl Members<'_> {
    fn rule(mut self) -> Option<Rule> {
        let name = self.body.rule;
        let otherwise = self.body.otherwise.take();
        let otherwise = match name {
            RuleName::AutoAccept | RuleName::RankAutoAccept => self.none("otherwise", otherwise),
            _ => self.required("otherwise", otherwise),
        };
        let rule = match name {
            RuleName::AutoAccept => Some(Rule::AutoAccept),
            RuleName::RankAutoAccept => {
                let least_rank = self.body.least_rank.take();
                let least_rank = self.required("leastRank", least_rank);
                least_rank.map(|least_rank| Rule::RankAutoAccept { least_rank })
            }
            RuleName::MinBlockTime => {
                let least_min = self.body.least_min.take();
                let least_min = self.required("leastMin", least_min);
                least_min
                    .zip(otherwise)
                    .map(|(least_min, otherwise)| Rule::MinBlockTime {
                        least_min,
                        otherwise,
                    })
            }
            RuleName::MaxLandingRate => {
                let most_fpm = self.body.most_fpm.take();
                let most_fpm = self.required("mostFpm", most_fpm);
                most_fpm
                    .zip(otherwise)
                    .map(|(most_fpm, otherwise)| Rule::MaxLandingRate {
                        most_fpm,
                        otherwise,
                    })
            }
            RuleName::DistanceRatio => {
                let (least, most) = (
                    self.body.least_percent.take(),
                    self.body.most_percent.take(),
                );
                let least = self.required("leastPercent", least);
                let most = self.required("mostPercent", most);
                let bounds = least.zip(most).zip(otherwise);
                bounds.map(
                    |((least_percent, most_percent), otherwise)| Rule::DistanceRatio {
                        least_percent,
                        most_percent,
                        otherwise,
                    },
                )
            }
            RuleName::AircraftTypes => {
                let types = self.body.types.take();
                let types = self.required("types", types);
                let types = types.zip(otherwise);
                types.map(|(types, otherwise)| Rule::AircraftTypes { types, otherwise })
            }
            RuleName::MaxTrackGap => {
                let most_s = self.body.most_s.take();
                let most_s = self.required("mostS", most_s);
                let most_s = most_s.zip(otherwise);
                most_s.map(|(most_s, otherwise)| Rule::MaxTrackGap { most_s, otherwise })
            }
        };
        self.nothing_is_left();
        rule
    }

    fn required<T>(&mut self, member: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.fault(member, "missing", "is required for this rule");
        }
        value
    }

    fn none<T>(&mut self, member: &str, value: Option<T>) -> Option<T> {
        if value.is_some() {
            self.fault(member, "unknown", "this rule takes no such member");
        }
        None
    }

    fn nothing_is_left(&mut self) {
        let body = &self.body;
        let left = [
            ("leastMin", body.least_min.is_some()),
            ("mostFpm", body.most_fpm.is_some()),
            ("leastPercent", body.least_percent.is_some()),
            ("mostPercent", body.most_percent.is_some()),
            ("types", body.types.is_some()),
            ("mostS", body.most_s.is_some()),
            ("leastRank", body.least_rank.is_some()),
        ];
        for (member, is_left) in left {
            self.none(member, is_left.then_some(()));
        }
    }

    fn fault(&mut self, member: &str, code: &'static str, detail: &str) {
        let pointer = format!("{}/{member}", self.pointer);
        self.errors.push(FieldError::at(pointer, code, detail));
    }
}
