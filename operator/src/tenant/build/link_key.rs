//! What an admin's log-in link is found by in its Secret.

use crate::context::token::fingerprint;

/// Longest data key of a Secret.
const LONGEST_DATA_KEY: usize = 253;
/// Stands for `@`, which is not allowed in one.
const AT: &str = ".at.";

/// Data key of the link of who has this address. One that cannot be told from its like, or is too long, has its digest
/// at the end, after a `_`: the others end with a host name, which has none.
pub fn link_key(email: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let key = email.replace('@', AT).replace(|c| !is_plain(c), "_");
    let ats = (0..key.len()).filter(|at| key[*at..].starts_with(AT));
    let is_told = email.chars().all(|c| c == '@' || is_plain(c)) && ats.count() == 1;
    if is_told && key.len() <= LONGEST_DATA_KEY {
        return key;
    }
    let digest = fingerprint(email);
    let room = LONGEST_DATA_KEY - digest.len() - 1;
    format!("{}_{digest}", &key[..key.len().min(room)])
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ada@skyways.example", "ada.at.skyways.example")]
    #[case("a.b-c_d@skyways.co.at", "a.b-c_d.at.skyways.co.at")]
    #[case("admin@localhost", "admin.at.localhost")]
    fn a_link_is_found_by_its_address(#[case] email: &str, #[case] key: &str) {
        assert_eq!(link_key(email), key);
    }

    #[rstest]
    #[case("ada+x@h.example", "ada_x@h.example")]
    #[case("ada+x@h.example", "ada'x@h.example")]
    #[case("a.at.b@c.example", "a@b.at.c.example")]
    #[case("a.at@c.example", "a@at.c.example")]
    #[case(&long('a'), &long('b'))]
    fn two_addresses_have_two_links(#[case] one: &str, #[case] other: &str) {
        assert_ne!(link_key(one), link_key(other));
    }

    /// As long as an address may be, and told from its like by the last letter before the end.
    fn long(letter: char) -> String {
        let host = ["h".repeat(63), "h".repeat(63), "h".repeat(57)].join(".");
        format!("{}@{host}.{letter}x", "a".repeat(64))
    }

    #[rstest]
    #[case("o'hara+x@skyways.example", "o_hara_x.at.skyways.example_")]
    #[case(&long('a'), "aaaa")]
    #[case(&long('a')[3..], "aaaa")]
    fn an_unusual_address_has_a_key_that_can_be_read_and_stored(
        #[case] email: &str,
        #[case] readable: &str,
    ) {
        let key = link_key(email);
        assert!(key.starts_with(readable), "{key}");
        assert!(key.len() <= 253, "{}", key.len());
        let storable = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        assert!(key.chars().all(storable), "{key}");
    }
}
