//! What the documents say of each reason, and that a test asserts it.

use std::collections::BTreeSet;
use std::fs;

use albatross_crds::conditions::{ConditionType, Reason};

const OPERATING: &str = include_str!("../../docs/operating.md");
/// Tests of the operator against a real API server.
const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tests/operator_steps");

#[test]
fn each_reason_has_its_line_on_what_it_means_and_what_to_do() {
    let (_, section) = OPERATING
        .split_once("\n## Troubleshoot by reason\n")
        .expect("the section");
    let mut explained = BTreeSet::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [reason, meaning, remedy] = cells[..] else {
            panic!("three cells: {line}");
        };
        assert!(!meaning.is_empty() && !remedy.is_empty(), "{line}");
        assert!(explained.insert(reason.trim_matches('`')), "twice: {line}");
    }
    let reasons: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(explained, reasons);
}

#[test]
fn each_reason_is_asserted_on_a_real_api_server() {
    let mut tests = String::new();
    for file in fs::read_dir(TESTS).expect("a folder of tests") {
        let path = file.expect("a file").path();
        // That one computes statuses, and asks no API server.
        if !path.ends_with("gitops.rs") {
            tests += &fs::read_to_string(path).expect("text");
        }
    }
    let tests: String = tests.split_whitespace().collect();
    // Where a type of condition has the same name, a reason is what comes last.
    let is_type = |reason: &str| ConditionType::ALL.iter().any(|it| it.as_str() == reason);
    let is_asserted = |reason: &str| match is_type(reason) {
        true => [")", "]"]
            .iter()
            .any(|end| tests.contains(&format!("\",\"{reason}\"{end}"))),
        false => tests.contains(&format!("\"{reason}\"")),
    };
    let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
    let unasserted = reasons.filter(|reason| !is_asserted(reason));
    assert_eq!(unasserted.collect::<Vec<_>>(), [""; 0]);
}
