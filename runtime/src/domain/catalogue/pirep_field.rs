//! Fields that an airline adds to its PIREPs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::refusal::Faults;
use crate::domain::text;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PirepField {
    /// Names it in reports, such as `gate`; never shown to people.
    pub key: String,
    pub label: String,
    pub kind: FieldKind,
    /// What a `Choice` is made among.
    pub choices: Vec<String>,
    /// A report that is typed in is not submitted without it.
    pub required: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FieldKind {
    /// Any text.
    Text,
    /// A decimal number.
    Number,
    /// `true` or `false`.
    Flag,
    /// One of `choices`.
    Choice,
}

impl FieldKind {
    pub const ALL: [Self; 4] = [Self::Text, Self::Number, Self::Flag, Self::Choice];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Number => "Number",
            Self::Flag => "Flag",
            Self::Choice => "Choice",
        }
    }
}

const MOST_FIELDS: usize = 50;
const MOST_CHOICES: usize = 50;
const MAX_KEY: usize = 32;

/// Trimmed.
pub fn tidied(fields: &[PirepField]) -> Vec<PirepField> {
    let trimmed = fields.iter().map(|field| PirepField {
        label: field.label.trim().to_owned(),
        choices: field
            .choices
            .iter()
            .map(|it| it.trim().to_owned())
            .collect(),
        ..field.clone()
    });
    trimmed.collect()
}

/// Faults of the whole list, by the places at which it was given.
pub fn check(faults: &mut Faults, fields: &[PirepField]) {
    if fields.len() > MOST_FIELDS {
        faults.add(
            "/items",
            "too-many",
            format!("At most {MOST_FIELDS} fields."),
        );
    }
    let mut keys = BTreeSet::new();
    for (index, field) in fields.iter().enumerate() {
        let at = |member: &str| format!("/items/{index}/{member}");
        faults.check(
            is_key(&field.key),
            &at("key"),
            "not-a-key",
            "Must be a letter, and then at most 31 letters, digits, - or _.",
        );
        let is_new = keys.insert(&field.key);
        faults.check(
            is_new,
            &at("key"),
            "duplicate",
            "Another field has this key.",
        );
        text::check_line(faults, &at("label"), &field.label, text::MAX_NAME);
        check_choices(faults, field, &at("choices"));
    }
}

fn is_key(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    key.len() <= MAX_KEY
        && key.starts_with(|first: char| first.is_ascii_alphabetic())
        && key.bytes().all(plain)
}

fn check_choices(faults: &mut Faults, field: &PirepField, at: &str) {
    let chosen = field.kind == FieldKind::Choice;
    if chosen == field.choices.is_empty() {
        let detail = "A Choice, and no other field, has choices.";
        faults.add(at, if chosen { "required" } else { "not-allowed" }, detail);
    }
    if field.choices.len() > MOST_CHOICES {
        faults.add(at, "too-many", format!("At most {MOST_CHOICES} choices."));
    }
    let mut seen = BTreeSet::new();
    for (index, choice) in field.choices.iter().enumerate() {
        let at = format!("{at}/{index}");
        text::check_line(faults, &at, choice, text::MAX_NAME);
        faults.check(
            seen.insert(choice),
            &at,
            "duplicate",
            "It is there already.",
        );
    }
}
