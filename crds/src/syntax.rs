//! The shapes of host names, names and e-mail addresses.

const LONGEST_LABEL: usize = 63;
const LONGEST_HOST: usize = 253;
const LONGEST_EMAIL: usize = 254;
const LONGEST_LOCAL_PART: usize = 64;

/// What a host name must be.
pub const HOST: &str = "must be a host name in lower case (RFC 1123): letters, digits, '-' and '.', each part at most 63 characters, 253 in all, the last part not a number";
/// What an e-mail address must be.
pub const EMAIL: &str = "must be an e-mail address such as ada@skyways.example";
/// What the key of an annotation must be.
pub const ANNOTATION: &str = "must be an annotation name: optionally a DNS name and '/', then at most 63 letters, digits, '-', '_' and '.'";

/// What a line of text must be.
pub const LINE: &str =
    "must be text without control characters, and without such as turn the direction of writing";

/// Whether the text is a DNS label (RFC 1123) in lower case.
pub fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=LONGEST_LABEL).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether the text is a host name (RFC 1123) in lower case, and not an IPv4 address.
pub fn is_host(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or_default();
    is_dns_name(text) && !last.bytes().all(|b| b.is_ascii_digit())
}

/// Whether the text is a DNS name (RFC 1123) in lower case: what most objects are named by.
pub fn is_dns_name(text: &str) -> bool {
    text.len() <= LONGEST_HOST && text.split('.').all(is_label)
}

/// Whether the text looks like an e-mail address: a dot-atom (RFC 5322), `@`, a host name in any case.
pub fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else {
        return false;
    };
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    text.len() <= LONGEST_EMAIL
        && local.len() <= LONGEST_LOCAL_PART
        && local
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(atom))
        && is_host(&host.to_ascii_lowercase())
}

/// Whether the text can be the key of an annotation.
pub fn is_annotation(text: &str) -> bool {
    let (prefix, name) = text
        .split_once('/')
        .map_or((None, text), |(p, n)| (Some(p), n));
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    prefix.is_none_or(is_dns_name)
        && name.len() <= LONGEST_LABEL
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && edge(name.bytes().next())
        && edge(name.bytes().last())
}

/// Whether it is one line that looks like what it is: the runtime's own rule for names.
pub fn is_line(text: &str) -> bool {
    let deceives = |c: char| {
        matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fdd0}'..='\u{fdef}')
            || u32::from(c) & 0xfffe == 0xfffe
    };
    !text.chars().any(|c| c.is_control() || deceives(c))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("skyways.localhost", true)]
    #[case("localhost", true)]
    #[case("3com.example", true)]
    #[case("xn--bcher-kva.example", true)]
    #[case(&format!("{}.example", "a".repeat(63)), true)]
    #[case(&format!("{}.example", "a".repeat(64)), false)]
    #[case(&format!("{}.{}", vec!["a".repeat(63); 3].join("."), "a".repeat(61)), true)]
    #[case(&format!("{}.{}", vec!["a".repeat(63); 3].join("."), "a".repeat(62)), false)]
    #[case(&vec!["a".repeat(63); 4].join("."), false)]
    #[case("", false)]
    #[case("Skyways.example", false)]
    #[case("sky ways.example", false)]
    #[case("skyways.example.", false)]
    #[case(".skyways.example", false)]
    #[case("sky..ways", false)]
    #[case("-sky.example", false)]
    #[case("sky-.example", false)]
    #[case("skyways.example:8080", false)]
    #[case("http://skyways.example", false)]
    #[case("10.0.0.1", false)]
    #[case("::1", false)]
    #[case("*.example", false)]
    #[case("skywаys.example", false)] // the second а is Cyrillic
    fn hosts(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(is_host(text), expected);
    }

    #[rstest]
    #[case("ada@skyways.example", true)]
    #[case("Ada.Lovelace+ops@SkyWays.example", true)]
    #[case("admin@localhost", true)]
    #[case("ada", false)]
    #[case("@skyways.example", false)]
    #[case("ada@", false)]
    #[case("a@b@c.example", false)]
    #[case("a..b@c.example", false)]
    #[case(".a@c.example", false)]
    #[case("ada lovelace@c.example", false)]
    #[case("ada@c_d.example", false)]
    #[case("ada@1.2.3.4", false)]
    #[case("аda@skyways.example", false)] // the first а is Cyrillic
    #[case("ada@skyways.example\n", false)]
    #[case(&format!("{}@c.example", "a".repeat(65)), false)]
    fn emails(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(is_email(text), expected);
    }

    #[rstest]
    #[case("cert-manager.io/cluster-issuer", true)]
    #[case("description", true)]
    #[case("a_b.c", true)]
    #[case("", false)]
    #[case("/name", false)]
    #[case("prefix/", false)]
    #[case("Prefix/name", false)]
    #[case("a/b/c", false)]
    #[case("-a", false)]
    fn annotations(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(is_annotation(text), expected);
    }
}
