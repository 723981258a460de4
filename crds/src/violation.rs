//! A broken rule, told so that it can be mended: the field, what is allowed, what was given.

use std::fmt;

use serde_json::Value;

const LONGEST_GIVEN: usize = 80;

/// A field of a manifest that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, e.g. `spec.admins[0].email`.
    pub field: String,
    /// What would be accepted, as the end of a sentence that begins with the field.
    pub allowed: String,
    /// What is there instead.
    pub given: String,
}

impl Violation {
    /// A violation by a value that is shown as JSON, cut if long.
    pub fn new(field: impl Into<String>, allowed: impl Into<String>, given: &Value) -> Self {
        Self {
            field: field.into(),
            allowed: allowed.into(),
            given: shown(given),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, given {}", self.field, self.allowed, self.given)
    }
}

/// All violations in one line, as a condition's message says them.
pub fn summary(violations: &[Violation]) -> String {
    violations
        .iter()
        .map(Violation::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// An object is shown by its fields' names, since a rule about a whole object is about which of them are there.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return "nothing".to_owned(),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => format!("{{{}}}", map.keys().cloned().collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    };
    if text.chars().count() <= LONGEST_GIVEN {
        return text;
    }
    let cut: String = text.chars().take(LONGEST_GIVEN).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_violation_names_field_allowed_and_given() {
        let violation = Violation::new(
            "spec.icaoCode",
            "must be three capital letters",
            &json!("sky"),
        );
        assert_eq!(
            violation.to_string(),
            r#"spec.icaoCode: must be three capital letters, given "sky""#
        );
    }

    #[test]
    fn what_was_given_is_shown_briefly() {
        assert_eq!(shown(&Value::Null), "nothing");
        assert_eq!(
            shown(&json!({"ingress": {"a": 1}, "none": {}})),
            "{ingress, none}"
        );
        assert_eq!(shown(&json!("é".repeat(500))).chars().count(), 81);
    }
}
