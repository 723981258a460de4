//! Ranks: what pilots rise to by the hours that count.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::refusal::Faults;
use crate::domain::text;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rank {
    pub name: String,
    /// Flight hours from which on a pilot holds it.
    pub min_hours: u32,
}

const MOST_RANKS: usize = 50;
/// More than anybody flies.
const MOST_HOURS: u32 = 1_000_000;

/// Trimmed, in the order in which pilots rise.
pub fn tidied(ranks: &[Rank]) -> Vec<Rank> {
    let trimmed = ranks.iter().map(|rank| Rank {
        name: rank.name.trim().to_owned(),
        ..rank.clone()
    });
    let mut ranks: Vec<Rank> = trimmed.collect();
    ranks.sort_by_key(|rank| rank.min_hours);
    ranks
}

/// Faults of the whole list, by the places at which it was given.
pub fn check(faults: &mut Faults, ranks: &[Rank]) {
    if ranks.len() > MOST_RANKS {
        faults.add("/items", "too-many", format!("At most {MOST_RANKS} ranks."));
    }
    let (mut names, mut hours) = (BTreeSet::new(), BTreeSet::new());
    for (index, rank) in ranks.iter().enumerate() {
        let at = |member| format!("/items/{index}/{member}");
        text::check_line(faults, &at("name"), &rank.name, text::MAX_NAME);
        let is_new = names.insert(rank.name.trim().to_lowercase());
        faults.check(
            is_new,
            &at("name"),
            "duplicate",
            "Another rank has this name.",
        );
        let is_new = hours.insert(rank.min_hours);
        let detail = "Another rank begins with these hours.";
        faults.check(is_new, &at("minHours"), "duplicate", detail);
        if rank.min_hours > MOST_HOURS {
            let detail = format!("Must be between 0 and {MOST_HOURS}.");
            faults.add(at("minHours"), "out-of-range", detail);
        }
    }
}
