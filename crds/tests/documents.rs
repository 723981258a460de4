//! What the documents say of each reason.

use std::collections::BTreeSet;

use albatross_crds::conditions::Reason;

const OPERATING: &str = include_str!("../../docs/operating.md");

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
