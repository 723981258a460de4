//! Lengths of time as manifests write them: `90d`, `72h`, `1h30m`, `30m`.

use jiff::SignedDuration;

/// What a duration looks like: days, or hours, or minutes, or hours and minutes; never zero.
pub const PATTERN: &str =
    "^([1-9][0-9]{0,3}d|[1-9][0-9]{0,4}h([1-9][0-9]{0,3}m)?|[1-9][0-9]{0,5}m)$";

/// The CEL expression of the minutes in the string `field`: CEL's own durations know no days, and an API server cannot
/// bound the cost of building one from text.
pub fn cel_minutes(field: &str) -> String {
    format!(
        "({field}.endsWith('d') ? int({field}.replace('d', '')) * 1440 : duration({field}).getMinutes())"
    )
}

/// The text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be days (90d), hours (72h), minutes (30m) or hours and minutes (1h30m)")]
pub struct InvalidDuration;

/// Reads a duration.
pub fn parse(text: &str) -> Result<SignedDuration, InvalidDuration> {
    let (days, rest) = component(text, 'd', 4)?;
    let (hours, rest) = component(rest, 'h', 5)?;
    let (minutes, rest) = component(rest, 'm', if hours > 0 { 4 } else { 6 })?;
    if !rest.is_empty() || (days > 0) == (hours + minutes > 0) {
        return Err(InvalidDuration);
    }
    Ok(SignedDuration::from_mins(
        (days * 24 + hours) * 60 + minutes,
    ))
}

/// Splits `<number><unit>` off the front; a number that is not there is 0.
fn component(text: &str, unit: char, max_digits: usize) -> Result<(i64, &str), InvalidDuration> {
    let Some((number, rest)) = text.split_once(unit) else {
        return Ok((0, text));
    };
    let plain = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
    if !plain || number.len() > max_digits {
        return Err(InvalidDuration);
    }
    let number = number.parse().map_err(|_| InvalidDuration)?;
    Ok((number, rest))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use rstest::rstest;

    use super::{PATTERN, parse};

    #[rstest]
    #[case("90d", 90 * 24 * 60)]
    #[case("72h", 72 * 60)]
    #[case("30m", 30)]
    #[case("1h30m", 90)]
    #[case("9999d", 9999 * 24 * 60)]
    #[case("99999h9999m", 99_999 * 60 + 9999)]
    #[case("999999m", 999_999)]
    fn reads_what_the_pattern_allows(#[case] text: &str, #[case] minutes: i64) {
        assert!(regex::Regex::new(PATTERN).unwrap().is_match(text));
        assert_eq!(parse(text), Ok(SignedDuration::from_mins(minutes)));
    }

    #[rstest]
    #[case("")]
    #[case("0h")]
    #[case("h")]
    #[case("1")]
    #[case("1s")]
    #[case("-1h")]
    #[case("+1h")]
    #[case("1.5h")]
    #[case("1d2h")]
    #[case("30m1h")]
    #[case("01h")]
    #[case("1h0m")]
    #[case("10000d")]
    #[case("1000000m")]
    #[case("1h10000m")]
    #[case("1h ")]
    #[case("١h")]
    fn refuses_what_the_pattern_refuses(#[case] text: &str) {
        assert!(!regex::Regex::new(PATTERN).unwrap().is_match(text));
        assert!(parse(text).is_err());
    }
}
