//! One table of accepted and refused objects, for the rules as they are held offline and for an API server.

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// An object that is created, or changed if there was an old one, and the answer that is due.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub case: String,
    pub kind: String,
    #[serde(default = "usual_name")]
    pub name: String,
    old: Option<Map<String, Value>>,
    #[serde(default)]
    spec: Map<String, Value>,
    /// Message of the CEL rule that refuses it.
    pub rule: Option<String>,
    /// Field at which the schema refuses it.
    pub field: Option<String>,
    /// Messages of the CEL rules that it keeps to as narrowly as can be, if it is accepted.
    #[serde(default)]
    pub keeps: Vec<String>,
}

fn usual_name() -> String {
    "case".to_owned()
}

/// The whole table.
pub fn cases() -> Vec<Case> {
    let cases: Vec<Case> = serde_yaml_ng::from_str(include_str!("cases.yaml"))
        .expect("the table of cases can be read");
    let refused = |case: &&Case| case.rule.is_some() || case.field.is_some();
    for case in cases.iter().filter(refused) {
        assert!(case.keeps.is_empty(), "{} is refused", case.case);
    }
    cases
}

impl Case {
    /// The object that is created, or that the old one becomes.
    pub fn object(&self) -> Value {
        self.with(&self.spec)
    }

    /// The object that was there before.
    pub fn old(&self) -> Option<Value> {
        self.old.as_ref().map(|spec| self.with(spec))
    }

    /// The object that says nothing of what is added to it here.
    pub fn bare(&self) -> Value {
        self.with(&Map::new())
    }

    fn with(&self, change: &Map<String, Value>) -> Value {
        let (namespace, mut spec) = match self.kind.as_str() {
            "Tenant" => (
                Value::Null,
                json!({
                    "displayName": "Skyways", "icaoCode": "SKY", "host": "skyways.localhost",
                    "admins": [{"email": "ada@skyways.example", "displayName": "Ada"}],
                }),
            ),
            _ => (
                json!("default"),
                json!({
                    "tenantRef": {"name": "skyways"}, "scopes": ["pireps:read"],
                    "ttl": "90d", "secretName": "acars",
                }),
            ),
        };
        for (field, value) in change {
            spec[field] = value.clone();
        }
        json!({
            "apiVersion": "albatross.aero/v1alpha1",
            "kind": self.kind,
            "metadata": {"name": self.name, "namespace": namespace},
            "spec": spec,
        })
    }
}
