//! The structural part of an OpenAPI schema: types, bounds, patterns, unknown and missing fields.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use regex::Regex;
use serde_json::{Map, Value};

use crate::violation::Violation;

/// Fields of the root that are not the schema's business.
const ENVELOPE: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// A schema that values can be held against.
pub struct Structure {
    schema: Value,
    patterns: HashMap<String, Regex>,
}

impl Structure {
    /// Compiles the schema's patterns.
    pub fn of(schema: &Value) -> Self {
        let mut patterns = HashMap::new();
        compile_patterns(schema, &mut patterns);
        Self {
            schema: schema.clone(),
            patterns,
        }
    }

    /// An explicit null means that the field is not there.
    pub fn without_nulls(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) => map
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), self.without_nulls(value)))
                .collect(),
            Value::Array(items) => items.iter().map(|item| self.without_nulls(item)).collect(),
            other => other.clone(),
        }
    }

    /// Everything in which `object` differs from the schema.
    pub fn check(&self, object: &Value) -> Vec<Violation> {
        let mut walk = Walk {
            patterns: &self.patterns,
            violations: Vec::new(),
        };
        walk.value("", &self.schema, object);
        walk.violations
    }
}

/// The value at a path such as `spec.admins[0].email`; null if there is none.
pub fn at<'value>(object: &'value Value, path: &str) -> &'value Value {
    path.split(['.', '[', ']'])
        .filter(|part| !part.is_empty())
        .try_fold(object, |value, part| match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            other => other.get(part),
        })
        .unwrap_or(&Value::Null)
}

fn compile_patterns(schema: &Value, patterns: &mut HashMap<String, Regex>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(pattern)) = map.get("pattern")
                && let Ok(regex) = Regex::new(pattern)
            {
                patterns.insert(pattern.clone(), regex);
            }
            map.values()
                .for_each(|child| compile_patterns(child, patterns));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|child| compile_patterns(child, patterns)),
        _ => {}
    }
}

struct Walk<'a> {
    patterns: &'a HashMap<String, Regex>,
    violations: Vec<Violation>,
}

impl Walk<'_> {
    fn refuse(&mut self, field: &str, allowed: impl Into<String>, given: &Value) {
        self.violations.push(Violation::new(field, allowed, given));
    }

    fn value(&mut self, path: &str, schema: &Value, value: &Value) {
        let int_or_string = schema["x-kubernetes-int-or-string"] == true;
        let type_ = schema["type"].as_str();
        let fits = match (type_, value) {
            _ if int_or_string => value.is_string() || value.is_i64() || value.is_u64(),
            (Some("object"), Value::Object(_))
            | (Some("array"), Value::Array(_))
            | (Some("string"), Value::String(_))
            | (Some("boolean"), Value::Bool(_))
            | (Some("number"), Value::Number(_))
            | (None, _) => true,
            (Some("integer"), Value::Number(number)) => is_integer(number, &schema["format"]),
            _ => false,
        };
        if !fits {
            let allowed = match type_ {
                _ if int_or_string => "must be a string or a whole number".to_owned(),
                Some("integer") => "must be a whole number".to_owned(),
                Some(type_ @ ("object" | "array")) => format!("must be an {type_}"),
                type_ => format!("must be a {}", type_.unwrap_or_default()),
            };
            return self.refuse(path, allowed, value);
        }
        self.choice(path, schema, value);
        match value {
            Value::Object(map) => self.object(path, schema, map),
            Value::Array(items) => self.array(path, schema, items),
            Value::String(text) => self.string(path, schema, text),
            Value::Number(_) => self.number(path, schema, value),
            Value::Bool(_) | Value::Null => {}
        }
    }

    fn choice(&mut self, path: &str, schema: &Value, value: &Value) {
        if let Some(choices) = schema["enum"].as_array()
            && !choices.contains(value)
        {
            let choices: Vec<_> = choices.iter().filter_map(Value::as_str).collect();
            self.refuse(
                path,
                format!("must be one of {}", choices.join(", ")),
                value,
            );
        }
    }

    fn object(&mut self, path: &str, schema: &Value, map: &Map<String, Value>) {
        let empty = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&empty);
        let below = |key: &str| match path {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        for key in schema["required"].as_array().into_iter().flatten() {
            if let Some(key) = key.as_str().filter(|key| !map.contains_key(*key)) {
                self.refuse(&below(key), "is required", &Value::Null);
            }
        }
        if let Some(most) = schema["maxProperties"]
            .as_u64()
            .filter(|most| map.len() as u64 > *most)
        {
            self.refuse(
                path,
                format!("must have at most {most} entries"),
                &map.len().into(),
            );
        }
        for (key, value) in map {
            let envelope = path.is_empty() && ENVELOPE.contains(&key.as_str());
            match (properties.get(key), schema.get("additionalProperties")) {
                (Some(schema), _) | (None, Some(schema)) => self.value(&below(key), schema, value),
                (None, None) if envelope => {}
                (None, None) => {
                    let known: Vec<_> = properties.keys().map(String::as_str).collect();
                    let allowed = match known.as_slice() {
                        [] => "is unknown: nothing goes here".to_owned(),
                        known => format!("is unknown: known here are {}", known.join(", ")),
                    };
                    self.refuse(&below(key), allowed, value);
                }
            }
        }
    }

    fn array(&mut self, path: &str, schema: &Value, items: &[Value]) {
        let count = items.len() as u64;
        if let Some(most) = schema["maxItems"].as_u64().filter(|most| count > *most) {
            return self.refuse(
                path,
                format!("must have at most {most} items"),
                &count.into(),
            );
        }
        if let Some(fewest) = schema["minItems"].as_u64().filter(|fewest| count < *fewest) {
            self.refuse(
                path,
                format!("must have at least {fewest} items"),
                &count.into(),
            );
        }
        let keys: Option<Vec<&str>> = match schema["x-kubernetes-list-type"].as_str() {
            Some("set") => Some(Vec::new()),
            Some("map") => schema["x-kubernetes-list-map-keys"]
                .as_array()
                .map(|keys| keys.iter().filter_map(Value::as_str).collect()),
            _ => None,
        };
        let mut seen = BTreeSet::new();
        for (i, item) in items.iter().enumerate() {
            let path = format!("{path}[{i}]");
            if let Some(keys) = &keys
                && !seen.insert(identity(item, keys))
            {
                self.refuse(&path, "must not be listed twice", item);
            }
            self.value(&path, &schema["items"], item);
        }
    }

    fn string(&mut self, path: &str, schema: &Value, text: &str) {
        let given = Value::from(text);
        let length = text.chars().count() as u64;
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            return self.refuse(path, format!("must have at most {most} characters"), &given);
        }
        if let Some(fewest) = schema["minLength"]
            .as_u64()
            .filter(|fewest| length < *fewest)
        {
            return self.refuse(
                path,
                format!("must have at least {fewest} characters"),
                &given,
            );
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && !self
                .patterns
                .get(pattern)
                .is_some_and(|regex| regex.is_match(text))
        {
            self.refuse(path, format!("must match {pattern}"), &given);
        }
        if schema["format"] == "date-time" && text.parse::<Timestamp>().is_err() {
            self.refuse(
                path,
                "must be a time such as 2027-01-31T00:00:00Z (RFC 3339)",
                &given,
            );
        }
    }

    fn number(&mut self, path: &str, schema: &Value, value: &Value) {
        let Some(number) = value.as_f64() else {
            return;
        };
        if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
            self.refuse(path, format!("must be at least {least}"), value);
        }
        if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
            self.refuse(path, format!("must be at most {most}"), value);
        }
    }
}

fn is_integer(number: &serde_json::Number, format: &Value) -> bool {
    match number.as_i64() {
        Some(number) => format != "int32" || i32::try_from(number).is_ok(),
        None => false,
    }
}

/// What makes an item of a set or of a keyed list itself.
fn identity(item: &Value, keys: &[&str]) -> String {
    match keys {
        [] => item.to_string(),
        keys => keys.iter().map(|key| item[*key].to_string()).collect(),
    }
}
