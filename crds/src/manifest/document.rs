//! One object of a YAML text, before its kind is known.

use std::{collections::BTreeSet, sync::OnceLock};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::schema_for;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{rules::Rules, syntax::is_dns_name, violation::Violation};

/// A YAML mapping.
pub struct Document(Value);

/// Every object of the text with the number of its document; lists (`kind: List`) are taken apart.
pub fn documents(yaml: &str) -> Vec<(usize, Result<Document, String>)> {
    let mut found = Vec::new();
    for (i, document) in serde_yaml_ng::Deserializer::from_str(yaml).enumerate() {
        match read(document) {
            Ok(Value::Null) => {}
            Ok(value @ Value::Object(_)) => found.extend(
                items(value)
                    .into_iter()
                    .map(|item| (i + 1, Ok(Document(item)))),
            ),
            Ok(_) => found.push((i + 1, Err("must be a mapping of fields".to_owned()))),
            Err(error) => {
                found.push((i + 1, Err(format!("is not YAML: {error}"))));
                break;
            }
        }
    }
    found
}

/// By way of a YAML value, which refuses a key given twice.
fn read(document: serde_yaml_ng::Deserializer<'_>) -> Result<Value, String> {
    let value = serde_yaml_ng::Value::deserialize(document).map_err(|error| error.to_string())?;
    serde_json::to_value(value).map_err(|error| error.to_string())
}

fn items(value: Value) -> Vec<Value> {
    match (&value["apiVersion"], &value["kind"], &value["items"]) {
        (Value::String(version), Value::String(kind), Value::Array(items))
            if version == "v1" && kind == "List" =>
        {
            items.clone()
        }
        _ => vec![value],
    }
}

impl Document {
    /// `apiVersion` and `kind`.
    pub fn kind(&self) -> Result<(&str, &str), Vec<Violation>> {
        let field = |name: &str| {
            self.0[name]
                .as_str()
                .filter(|text| !text.is_empty())
                .ok_or_else(|| {
                    vec![Violation::new(
                        name,
                        "must be a text that names the kind of object",
                        &self.0[name],
                    )]
                })
        };
        Ok((field("apiVersion")?, field("kind")?))
    }

    /// `metadata.name`, if it is there.
    pub fn name(&self) -> Option<&str> {
        self.0["metadata"]["name"].as_str()
    }

    /// `Kind name` for people.
    pub fn label(&self) -> Option<String> {
        let kind = self.0["kind"].as_str()?;
        Some(format!(
            "{kind} {}",
            self.name().unwrap_or("without a name")
        ))
    }

    /// The metadata, with a name and without unknown fields.
    pub fn metadata(&self) -> Result<ObjectMeta, Vec<Violation>> {
        let given = &self.0["metadata"];
        let empty = serde_json::Map::new();
        let fields = given.as_object().unwrap_or(&empty);
        let mut violations: Vec<Violation> = fields
            .iter()
            .filter(|(field, _)| !metadata_fields().contains(*field))
            .map(|(field, value)| Violation::new(format!("metadata.{field}"), "is unknown", value))
            .collect();
        if !self.name().is_some_and(is_dns_name) {
            violations.push(Violation::new(
                "metadata.name",
                "must be a name in lower case (RFC 1123), at most 253 characters",
                &given["name"],
            ));
        }
        if !violations.is_empty() {
            return Err(violations);
        }
        serde_json::from_value(given.clone())
            .map_err(|error| vec![Violation::new("metadata", error.to_string(), given)])
    }

    /// The object as its type, held against the rules of its kind; a status is not read.
    pub fn typed<T: DeserializeOwned>(&self, rules: &Rules) -> Result<T, Vec<Violation>> {
        let mut object = self.0.clone();
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        let mut object = rules.create(&object)?;
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        serde_json::from_value(object)
            .map_err(|error| vec![Violation::new("spec", error.to_string(), &json!(null))])
    }
}

/// The names of all fields that metadata can have.
fn metadata_fields() -> &'static BTreeSet<String> {
    static FIELDS: OnceLock<BTreeSet<String>> = OnceLock::new();
    FIELDS.get_or_init(|| {
        let schema = schema_for!(ObjectMeta).to_value();
        let properties = schema["properties"].as_object();
        properties
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    })
}
