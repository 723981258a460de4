//! The CustomResourceDefinitions as they are installed, from the types and nothing else.

mod files;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::{ApiKey, Tenant};

pub use files::{GeneratedFile, render};

/// The definition of Tenant.
pub fn tenant() -> CustomResourceDefinition {
    finish(Tenant::crd())
}

/// The definition of ApiKey.
pub fn api_key() -> CustomResourceDefinition {
    finish(ApiKey::crd())
}

/// The schema that an API server holds objects of `definition` against.
pub fn schema_of(definition: &CustomResourceDefinition) -> Value {
    definition
        .spec
        .versions
        .first()
        .and_then(|version| version.schema.as_ref())
        .and_then(|schema| schema.open_api_v3_schema.as_ref())
        .map_or(Value::Null, |schema| json!(schema))
}

/// Adds what the derive cannot say.
fn finish(mut definition: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut definition.spec.versions {
        let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        else {
            continue;
        };
        let mut value = json!(schema);
        tidy(&mut value);
        default_status(&mut value);
        *schema = serde_json::from_value(value).expect("a tidied schema is still a schema");
    }
    definition
}

/// Without `nullable` the API server drops an explicit null, so rules need not know of it; prose loses its line breaks.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.get("nullable").is_some_and(Value::is_boolean) {
                map.remove("nullable");
            }
            if map.get("title").is_some_and(Value::is_string) {
                map.remove("title");
            }
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = text
                    .replace("\n\n", "\0")
                    .replace('\n', " ")
                    .replace('\0', "\n\n");
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// A new object shows `observedGeneration: -1` at once, so that tools see that nobody has looked at it yet.
fn default_status(schema: &mut Value) {
    if let Some(status) = schema.pointer_mut("/properties/status") {
        status["default"] = json!({"observedGeneration": -1});
    }
}

/// The files that hold the definitions: plain manifests, and the chart's copies of them.
pub fn files() -> Vec<GeneratedFile> {
    [("tenants", tenant()), ("apikeys", api_key())]
        .iter()
        .flat_map(|(name, definition)| render(name, definition))
        .collect()
}
