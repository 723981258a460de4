//! The values that a report gives to the fields which its airline added.

use std::collections::BTreeMap;

use crate::domain::catalogue::pirep_field::{FieldKind, PirepField};
use crate::domain::refusal::Faults;
use crate::domain::text;

/// Values by the keys of their fields.
pub type CustomFields = BTreeMap<String, String>;

/// A report may hold values of fields that are not declared any more.
const MOST_VALUES: usize = 100;
const MAX_KEY: usize = 64;
const MAX_VALUE: usize = 1_000;
/// Bytes of all keys and values together.
const MAX_BYTES: usize = 16 * 1024;

/// Faults of the values that are new beside `present`. A value of a field that nobody declared is kept.
pub fn check(
    faults: &mut Faults,
    fields: &[PirepField],
    values: &CustomFields,
    present: Option<&CustomFields>,
) {
    if values.len() > MOST_VALUES {
        let detail = format!("At most {MOST_VALUES} values.");
        faults.add("/customFields", "too-many", detail);
        return;
    }
    if values
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum::<usize>()
        > MAX_BYTES
    {
        let detail = format!("At most {MAX_BYTES} bytes, all keys and values together.");
        faults.add("/customFields", "too-long", detail);
        return;
    }
    for (key, value) in values {
        if present.and_then(|present| present.get(key)) == Some(value) {
            continue;
        }
        let at = pointer(key);
        text::check_line(faults, &at, key, MAX_KEY);
        text::check_text(faults, &at, value, MAX_VALUE);
        let Some(field) = fields.iter().find(|field| field.key == *key) else {
            continue;
        };
        if let Some(detail) = fault(field, value) {
            faults.add(at, "invalid", detail);
        }
    }
}

/// What they say other than `from`, said of `onto`.
pub fn rebased(mut values: CustomFields, from: &CustomFields, onto: &CustomFields) -> CustomFields {
    let same = |key: &&String| values.get(*key) == from.get(*key);
    let kept: Vec<_> = from
        .keys()
        .chain(onto.keys())
        .filter(same)
        .cloned()
        .collect();
    for key in kept {
        match onto.get(&key) {
            Some(value) => values.insert(key, value.clone()),
            None => values.remove(&key),
        };
    }
    values
}

/// Adds what keeps a report that is typed in from being submitted.
pub fn check_complete(faults: &mut Faults, fields: &[PirepField], values: Option<&CustomFields>) {
    for field in missing(fields, values) {
        let detail = format!("{} must not be empty.", field.label);
        faults.add(pointer(&field.key), "required", detail);
    }
}

/// Required fields without a value.
pub fn missing<'a>(
    fields: &'a [PirepField],
    values: Option<&'a CustomFields>,
) -> impl Iterator<Item = &'a PirepField> {
    let given = move |field: &PirepField| values.is_some_and(|it| it.contains_key(&field.key));
    fields
        .iter()
        .filter(move |field| field.required && !given(field))
}

/// Without values that say nothing.
pub fn tidied(values: &CustomFields) -> CustomFields {
    let trimmed = values.iter().map(|(key, value)| (key, value.trim()));
    let said = trimmed.filter(|(_, value)| !value.is_empty());
    said.map(|(key, value)| (key.clone(), value.to_owned()))
        .collect()
}

fn fault(field: &PirepField, value: &str) -> Option<String> {
    match field.kind {
        FieldKind::Text => None,
        FieldKind::Number => {
            let number = value.parse::<f64>().ok().filter(|it| it.is_finite());
            let plain = value
                .bytes()
                .all(|it| it.is_ascii_digit() || b"+-.".contains(&it));
            (number.is_none() || !plain).then(|| "Must be a number, such as 12.5.".to_owned())
        }
        FieldKind::Flag => {
            let known = ["true", "false"].contains(&value);
            (!known).then(|| "Must be true or false.".to_owned())
        }
        FieldKind::Choice => {
            let known = field.choices.iter().any(|choice| choice == value);
            (!known).then(|| format!("Must be one of: {}.", field.choices.join(", ")))
        }
    }
}

/// Where a value is in a report (RFC 6901, section 3).
pub fn pointer(key: &str) -> String {
    let key: String = key.chars().take(MAX_KEY).collect();
    format!(
        "/customFields/{}",
        key.replace('~', "~0").replace('/', "~1")
    )
}
