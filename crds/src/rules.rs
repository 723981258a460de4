//! The schema and the CEL rules of both resources, held offline as an API server holds them.

mod structure;

use std::sync::OnceLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::cel::{
    CompiledSchema, ErrorKind, ValidationError, Validator, apply_defaults, compile_schema,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{ApiKey, Tenant, definitions, rules::structure::Structure, violation::Violation};

/// The schema of one resource with its CEL rules.
pub struct Rules {
    schema: Value,
    structure: Structure,
    compiled: CompiledSchema,
}

impl Rules {
    fn of(definition: &CustomResourceDefinition) -> Self {
        let schema = definitions::schema_of(definition);
        Self {
            structure: Structure::of(&schema),
            compiled: compile_schema(&schema),
            schema,
        }
    }

    /// What an API server does with a new object: drops nulls, adds defaults, checks structure and rules.
    /// Returns the object as it would be stored.
    pub fn create(&self, object: &Value) -> Result<Value, Vec<Violation>> {
        let object = self.structure.without_nulls(object);
        let object = apply_defaults(&self.schema, &object);
        let violations = self.structure.check(&object);
        if !violations.is_empty() {
            return Err(violations);
        }
        self.evaluate(&object, None)?;
        Ok(object)
    }

    /// What an API server does with a changed object, beyond [`Rules::create`]: the transition rules too.
    pub fn update(&self, old: &Value, new: &Value) -> Result<(), Vec<Violation>> {
        let new = self.create(new)?;
        self.evaluate(&new, Some(old))
    }

    fn evaluate(&self, object: &Value, old: Option<&Value>) -> Result<(), Vec<Violation>> {
        let result = Validator::new().validate_compiled(&self.compiled, object, old);
        result.map_err(|errors| {
            errors
                .iter()
                .map(|error| violation(error, object))
                .collect()
        })
    }
}

/// The rules of Tenant.
pub fn tenant() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    RULES.get_or_init(|| Rules::of(&definitions::tenant()))
}

/// The rules of ApiKey.
pub fn api_key() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    RULES.get_or_init(|| Rules::of(&definitions::api_key()))
}

/// Whether `old` may become `new`: what is immutable stays.
pub fn tenant_change(old: &Tenant, new: &Tenant) -> Result<(), Vec<Violation>> {
    change(tenant(), old, new)
}

/// Whether `old` may become `new`: what is immutable stays.
pub fn api_key_change(old: &ApiKey, new: &ApiKey) -> Result<(), Vec<Violation>> {
    change(api_key(), old, new)
}

fn change(rules: &Rules, old: &impl Serialize, new: &impl Serialize) -> Result<(), Vec<Violation>> {
    rules.update(&json!(old), &json!(new))
}

/// A broken rule says itself what is allowed; one that cannot be evaluated refuses the object as well.
fn violation(error: &ValidationError, object: &Value) -> Violation {
    let allowed = match error.kind {
        ErrorKind::ValidationFailure => error.message.clone(),
        _ => format!(
            "cannot be checked against {}: {}",
            error.rule, error.message
        ),
    };
    let field = error.field_path.trim_start_matches('.');
    Violation::new(
        if field.is_empty() {
            "metadata.name"
        } else {
            field
        },
        allowed,
        structure::at(object, field),
    )
}
