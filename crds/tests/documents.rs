//! What the documents say of each reason, and that a test asserts it.

use std::collections::BTreeSet;
use std::fs;

use albatross_crds::conditions::Reason;

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
        tests += &fs::read_to_string(path).expect("text");
    }
    let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
    let unasserted = reasons.filter(|reason| !tests.contains(&format!("\"{reason}\"")));
    assert_eq!(unasserted.collect::<Vec<_>>(), [""; 0]);
}
