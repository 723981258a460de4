//! Checks of text that people and programs send in.

use crate::domain::refusal::Faults;

/// A person's or a key's name.
pub const MAX_NAME: usize = 100;
/// A reason, a question, a comment.
pub const MAX_REASON: usize = 2_000;
/// A PIREP's remarks, a route.
pub const MAX_REMARKS: usize = 4_000;

/// One line of 1 to `max` characters without control characters.
pub fn check_line(faults: &mut Faults, pointer: &str, text: &str, max: usize) {
    if text.trim().is_empty() {
        faults.add(pointer, "required", "Must not be empty.");
    } else if text.chars().count() > max {
        faults.add(pointer, "too-long", format!("At most {max} characters."));
    } else if text.chars().any(|c| c.is_control() || deceives(c)) {
        let detail = "Must not hold control characters, nor such as turn the direction of writing.";
        faults.add(pointer, "not-text", detail);
    }
}

/// Makes a line look like another one: embeddings, overrides and isolates of the direction, the byte order mark, and
/// what is no character at all (Unicode Technical Report 36).
fn deceives(c: char) -> bool {
    let direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let no_character = u32::from(c) & 0xfffe == 0xfffe || matches!(c, '\u{fdd0}'..='\u{fdef}');
    direction || c == '\u{feff}' || no_character
}

/// Free text of at most `max` characters; line breaks and tabs are fine.
pub fn check_text(faults: &mut Faults, pointer: &str, text: &str, max: usize) {
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.chars().count() > max {
        faults.add(pointer, "too-long", format!("At most {max} characters."));
    } else if text.chars().any(control) {
        faults.add(pointer, "not-text", "Must not hold control characters.");
    }
}

/// Free text that must say something.
pub fn check_required_text(faults: &mut Faults, pointer: &str, text: &str, max: usize) {
    if text.trim().is_empty() {
        faults.add(pointer, "required", "Must not be empty.");
    } else {
        check_text(faults, pointer, text, max);
    }
}

/// The shape of an e-mail address; whether it exists is not for us to say.
pub fn check_email(faults: &mut Faults, pointer: &str, text: &str) {
    let shaped = text
        .rsplit_once('@')
        .is_some_and(|(local, host)| !local.is_empty() && !host.is_empty());
    let plain = !text
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || deceives(c));
    faults.check(
        shaped && plain && text.len() <= 254,
        pointer,
        "not-an-email",
        "Must be an e-mail address.",
    );
}

/// As it is; of one that is longer than `max`, its beginning and its end, since it may be either that tells it from others.
pub fn shortened(text: &str, max: usize) -> String {
    let length = text.chars().count();
    if length <= max {
        return text.to_owned();
    }
    let (first, last) = ((max - 1) / 2, max / 2);
    let ends = text.chars().take(first);
    ends.chain(['…'])
        .chain(text.chars().skip(length - last))
        .collect()
}

/// Without space around it; none when there is nothing else.
pub fn trimmed(text: Option<&str>) -> Option<String> {
    let text = text?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// As codes are written: in capitals, without space around it.
pub fn code(text: &str) -> String {
    text.trim().to_uppercase()
}

/// The shape of an airport's code; whether it is known is not for us to say.
pub fn check_airport(faults: &mut Faults, pointer: &str, code: Option<&str>) {
    let shaped = |code: &str| {
        (3..=7).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    faults.check(
        code.is_none_or(shaped),
        pointer,
        "not-an-airport-code",
        "Must be an airport's ICAO code, such as LIRF.",
    );
}
