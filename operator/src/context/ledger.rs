//! The ledger of the erased: people whom no older copy of a database may bring back.

use std::collections::BTreeSet;
use std::fmt;

use uuid::Uuid;

/// At 33 bytes each they leave room for the rest of a record in the 1 MiB of a Secret.
pub const MOST: usize = 30_000;

/// Ids of users. Nobody is ever taken out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger(BTreeSet<Uuid>);

impl Ledger {
    /// Reads an id a line; none if that is not what it is.
    pub fn parse(text: &str) -> Option<Self> {
        let ids = text.lines().map(|line| line.parse().ok());
        ids.collect::<Option<_>>().map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in as many as there is room for; answers how many of them are not in it.
    pub fn extend(&mut self, ids: impl IntoIterator<Item = Uuid>) -> usize {
        let mut left = 0;
        for id in ids {
            if self.0.len() < MOST {
                self.0.insert(id);
            } else if !self.0.contains(&id) {
                left += 1;
            }
        }
        left
    }
}

/// The file that the runtime reads.
impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|id| writeln!(f, "{}", id.simple()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(range: std::ops::Range<u128>) -> impl Iterator<Item = Uuid> {
        range.map(Uuid::from_u128)
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut ledger = Ledger::default();
        assert_eq!(Ledger::parse(&ledger.to_string()), Some(ledger.clone()));
        assert_eq!(ledger.extend(ids(1..4).chain(ids(2..6))), 0);
        let text = ledger.to_string();
        assert_eq!((text.lines().count(), text.len()), (5, 5 * 33));
        assert_eq!(Ledger::parse(&text), Some(ledger));
        assert_eq!(Ledger::parse(&text[1..]), None);
    }

    #[test]
    fn a_full_ledger_keeps_whom_it_has_and_leaves_room_in_a_secret() {
        let mut ledger = Ledger::default();
        let most = MOST as u128;
        assert_eq!(ledger.extend(ids(0..most)), 0);
        assert_eq!(ledger.extend(ids(most - 1..most + 2)), 2);
        let text = ledger.to_string();
        assert_eq!(text.lines().count(), MOST);
        assert!(text.len() < 1_000_000, "{} bytes", text.len());
    }
}
