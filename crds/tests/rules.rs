//! Every rule refuses what it should and accepts what it should, without any API server.

#[path = "rules/cases.rs"]
mod cases;

use std::collections::BTreeSet;

use albatross_crds::{
    Violation, definitions,
    rules::{self, Rules},
};
use cases::{Case, cases};
use serde_json::Value;

#[test]
fn every_case_gets_its_answer() {
    let wrong: Vec<String> = cases()
        .iter()
        .filter_map(|case| {
            let found = violations(case);
            (!is_due(case, &found)).then(|| format!("{} ({}): {found:?}", case.case, case.kind))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn violations(case: &Case) -> Vec<Violation> {
    let rules = rules_of(case);
    let answer = match case.old() {
        None => rules.create(&case.object()).map(|_| ()),
        Some(old) => {
            let old = rules.create(&old).expect("the old object is valid");
            rules.update(&old, &case.object())
        }
    };
    answer.err().unwrap_or_default()
}

fn rules_of(case: &Case) -> &'static Rules {
    match case.kind.as_str() {
        "Tenant" => rules::tenant(),
        _ => rules::api_key(),
    }
}

/// One violation for one broken rule, and none for none.
fn is_due(case: &Case, found: &[Violation]) -> bool {
    match (found, &case.rule, &case.field) {
        ([], None, None) => true,
        ([one], Some(rule), None) => one.allowed == *rule,
        ([one], None, Some(field)) => one.field == *field,
        _ => false,
    }
}

/// A field is not changed by taking it away first, whichever of the two steps is refused.
#[test]
fn what_is_immutable_is_not_changed_in_two_steps() {
    let mut changed = Vec::new();
    for case in cases() {
        let (Some(old), Some(_)) = (case.old(), &case.rule) else {
            continue;
        };
        let rules = rules_of(&case);
        let [old, bare] = [old, case.bare()].map(|it| rules.create(&it).expect("valid"));
        let stored = match rules.update(&old, &bare) {
            Ok(()) => bare,
            Err(_) => old,
        };
        if rules.update(&stored, &case.object()).is_ok() {
            changed.push(case.case);
        }
    }
    assert_eq!(changed, [""; 0]);
}

/// A new rule fails here until it has its examples.
#[test]
fn every_rule_has_a_refused_and_an_accepted_example() {
    let mut rules = BTreeSet::new();
    for definition in [definitions::tenant(), definitions::api_key()] {
        collect(&definitions::schema_of(&definition), &mut rules);
    }
    let examples: BTreeSet<String> = cases().into_iter().filter_map(|case| case.rule).collect();
    assert_eq!(rules, examples);
    let kept: BTreeSet<String> = cases().into_iter().flat_map(|case| case.keeps).collect();
    assert_eq!(rules, kept);
}

fn collect(schema: &Value, found: &mut BTreeSet<String>) {
    let rules = schema["x-kubernetes-validations"].as_array();
    for rule in rules.into_iter().flatten() {
        found.insert(rule["message"].as_str().unwrap_or("no message").to_owned());
    }
    match schema {
        Value::Object(map) => map.values().for_each(|child| collect(child, found)),
        Value::Array(items) => items.iter().for_each(|child| collect(child, found)),
        _ => {}
    }
}
