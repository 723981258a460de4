//! What others state in an object that the operator applies. Server-side apply leaves that alone, so that a command, an address
//! or a container which somebody adds would stay: it is taken over, and then left out.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value, json};

use crate::names::{DIGEST_ANNOTATION, FIELD_MANAGER};

const APPLY: &str = "Apply";

/// Where in an object there are fields that anybody may state.
#[derive(Clone, Copy)]
enum Place {
    Object,
    Spec,
    PodTemplate,
    PodMetadata,
}

/// Whose a field is.
enum Whose {
    Anybodys,
    Ours,
    /// In part.
    Both(Place),
}

impl Place {
    /// Labels and annotations change neither what runs nor who reaches it; those of pods' templates restart them. The number
    /// of pods is an autoscaler's where the operator does not state it, and otherwise put right by its value. Pull Secrets of a
    /// ServiceAccount and finalizers of a namespace come from the cluster's own controllers. What is in a Secret that is not to
    /// change is compared all the same.
    fn whose(self, field: &str) -> Whose {
        match (self, field) {
            (_, ".")
            | (
                Self::Object,
                "f:metadata" | "f:status" | "f:secrets" | "f:imagePullSecrets" | "f:immutable",
            )
            | (Self::Spec, "f:replicas" | "f:finalizers")
            | (Self::PodMetadata, "f:annotations") => Whose::Anybodys,
            (Self::Object, "f:spec") => Whose::Both(Self::Spec),
            (Self::Spec, "f:template") => Whose::Both(Self::PodTemplate),
            (Self::PodTemplate, "f:metadata") => Whose::Both(Self::PodMetadata),
            _ => Whose::Ours,
        }
    }
}

/// Whether somebody's fields are in part the operator's, without keeping any of them.
struct Intrudes(bool);

impl<'de> Deserialize<'de> for Intrudes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Place::Object.deserialize(deserializer).map(Self)
    }
}

impl<'de> DeserializeSeed<'de> for Place {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Place {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a set of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<bool, A::Error> {
        let mut intrudes = false;
        while let Some(field) = fields.next_key::<String>()? {
            intrudes |= match self.whose(&field) {
                Whose::Both(place) => fields.next_value_seed(place)?,
                whose => {
                    fields.next_value::<IgnoredAny>()?;
                    matches!(whose, Whose::Ours)
                }
            };
        }
        Ok(intrudes)
    }
}

/// As much of who owns which field as tells a stranger.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    manager: Option<String>,
    operation: Option<String>,
    subresource: Option<String>,
    /// None of one that was told to be a stranger before.
    fields_v1: Option<Intrudes>,
}

impl Owner {
    pub fn is_ours(&self) -> bool {
        is_ours(self.manager.as_deref(), self.operation.as_deref())
    }

    pub fn is_stranger(&self) -> bool {
        let is_whole = self.subresource.as_ref().is_none_or(String::is_empty);
        let intrudes = self.fields_v1.as_ref();
        !self.is_ours() && is_whole && intrudes.is_none_or(|Intrudes(intrudes)| *intrudes)
    }

    /// What is kept of a stranger: the name.
    pub fn mark(self) -> ManagedFieldsEntry {
        ManagedFieldsEntry {
            manager: self.manager,
            ..ManagedFieldsEntry::default()
        }
    }
}

fn is_ours(manager: Option<&str>, operation: Option<&str>) -> bool {
    manager == Some(FIELD_MANAGER) && operation == Some(APPLY)
}

/// Names of the strangers in an object that was read as `Live`, which keeps nothing else of owners.
pub fn strangers(object: &DynamicObject) -> impl Iterator<Item = &str> {
    let owners = object.managed_fields().iter();
    let marks = owners.filter(|owner| owner.fields_v1.is_none());
    marks.map(|owner| owner.manager.as_deref().unwrap_or("somebody unknown"))
}

/// The patch by which `live` becomes the operator's in all that is not anybody's. The digest goes: until the next apply has
/// taken away what is stated nowhere any more, nobody takes the object for as it was applied.
pub fn take_over(live: &DynamicObject) -> Value {
    let mut patch = vec![
        json!({"op": "replace", "path": "/metadata/resourceVersion", "value": live.metadata.resource_version}),
        json!({"op": "add", "path": "/metadata/managedFields", "value": owned(live)}),
    ];
    if live.annotations().contains_key(DIGEST_ANNOTATION) {
        let digest = DIGEST_ANNOTATION.replace('/', "~1");
        patch.push(json!({"op": "remove", "path": format!("/metadata/annotations/{digest}")}));
    }
    Value::Array(patch)
}

/// Who then owns which field.
fn owned(live: &DynamicObject) -> Vec<ManagedFieldsEntry> {
    let mut ours = ManagedFieldsEntry {
        api_version: live.types.as_ref().map(|types| types.api_version.clone()),
        fields_type: Some("FieldsV1".to_owned()),
        manager: Some(FIELD_MANAGER.to_owned()),
        operation: Some(APPLY.to_owned()),
        ..ManagedFieldsEntry::default()
    };
    let (mut all, mut others) = (Map::new(), Vec::new());
    for owner in live.managed_fields() {
        let Some(FieldsV1(Value::Object(fields))) = &owner.fields_v1 else {
            continue;
        };
        if is_ours(owner.manager.as_deref(), owner.operation.as_deref()) {
            ours = owner.clone();
            unite(&mut all, fields.clone());
        } else if owner
            .subresource
            .as_ref()
            .is_some_and(|part| !part.is_empty())
        {
            others.push(owner.clone());
        } else {
            let (anybodys, taken) = split(Place::Object, fields);
            unite(&mut all, taken);
            others.extend((!anybodys.is_empty()).then(|| ManagedFieldsEntry {
                fields_v1: Some(FieldsV1(Value::Object(anybodys))),
                ..owner.clone()
            }));
        }
    }
    ours.fields_v1 = Some(FieldsV1(Value::Object(all)));
    others.push(ours);
    others
}

/// What of it is anybody's, and what is the operator's.
fn split(place: Place, fields: &Map<String, Value>) -> (Map<String, Value>, Map<String, Value>) {
    let (mut anybodys, mut ours) = (Map::new(), Map::new());
    for (field, below) in fields {
        match (place.whose(field), below) {
            (Whose::Both(place), Value::Object(below)) => {
                let parts = split(place, below);
                for (part, of) in [(parts.0, &mut anybodys), (parts.1, &mut ours)] {
                    if !part.is_empty() {
                        of.insert(field.clone(), Value::Object(part));
                    }
                }
            }
            (Whose::Anybodys, _) => drop(anybodys.insert(field.clone(), below.clone())),
            _ => drop(ours.insert(field.clone(), below.clone())),
        }
    }
    (anybodys, ours)
}

fn unite(all: &mut Map<String, Value>, more: Map<String, Value>) {
    for (field, below) in more {
        match (all.get_mut(&field), below) {
            (Some(Value::Object(all)), Value::Object(below)) => unite(all, below),
            (_, below) => drop(all.insert(field, below)),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn owner(manager: &str, operation: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    fn is_stranger(owner: &Value) -> bool {
        let owner: Owner = serde_json::from_value(owner.clone()).unwrap();
        owner.is_stranger()
    }

    #[rstest]
    #[case::a_command(json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {}}}}}), true)]
    #[case::an_address(json!({"f:spec": {"f:externalIPs": {}}}), true)]
    #[case::a_label_of_pods(json!({"f:spec": {"f:template": {"f:metadata": {"f:labels": {}}}}}), true)]
    #[case::somebody_who_may(json!({"f:subjects": {}}), true)]
    #[case::a_variable(json!({"f:data": {"f:LD_PRELOAD": {}}}), true)]
    #[case::a_restart(json!({"f:spec": {".": {}, "f:template": {"f:metadata": {"f:annotations": {}}}}}), false)]
    #[case::a_number_of_pods(json!({"f:spec": {"f:replicas": {}}}), false)]
    #[case::a_label(json!({"f:metadata": {"f:labels": {}}, "f:status": {}}), false)]
    #[case::a_pull_secret(json!({"f:imagePullSecrets": {}}), false)]
    #[case::a_secret_that_is_not_to_change(json!({"f:immutable": {}}), false)]
    fn who_states_what_is_not_anybodys_is_a_stranger(
        #[case] fields: Value,
        #[case] expected: bool,
    ) {
        assert_eq!(
            is_stranger(&owner("kubectl", "Update", fields.clone())),
            expected
        );
        // Whoever calls itself as the operator does.
        assert_eq!(
            is_stranger(&owner(FIELD_MANAGER, "Update", fields.clone())),
            expected
        );
        assert!(!is_stranger(&owner(FIELD_MANAGER, APPLY, fields.clone())));
        let mut scaled = owner("kubectl", "Update", fields);
        scaled["subresource"] = json!("scale");
        assert!(!is_stranger(&scaled));
    }

    #[test]
    fn all_but_what_is_anybodys_is_taken_over() {
        let live = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "resourceVersion": "7", "annotations": {DIGEST_ANNOTATION: "a", "theirs": "b"},
                "managedFields": [
                    owner(FIELD_MANAGER, APPLY, json!({"f:spec": {"f:strategy": {}, "f:template": {"f:spec": {"f:volumes": {}}}}})),
                    owner("kubectl", "Update", json!({
                        "f:metadata": {"f:annotations": {"f:theirs": {}}},
                        "f:spec": {
                            "f:paused": {}, "f:replicas": {},
                            "f:template": {
                                "f:metadata": {"f:annotations": {"f:restartedAt": {}}},
                                "f:spec": {"f:hostNetwork": {}},
                            },
                        },
                    })),
                    {"manager": "kubelet", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
                ],
            },
        });
        let patch = take_over(&serde_json::from_value(live).unwrap());
        assert_eq!(patch[0]["value"], "7");
        let owners = &patch[1]["value"];
        assert_eq!(
            owners[0]["fieldsV1"],
            json!({
                "f:metadata": {"f:annotations": {"f:theirs": {}}},
                "f:spec": {"f:replicas": {}, "f:template": {"f:metadata": {"f:annotations": {"f:restartedAt": {}}}}},
            })
        );
        assert_eq!(owners[1]["subresource"], "status");
        assert_eq!(
            (&owners[2]["manager"], &owners[2]["operation"]),
            (&json!(FIELD_MANAGER), &json!(APPLY))
        );
        assert_eq!(
            owners[2]["fieldsV1"],
            json!({
                "f:spec": {"f:paused": {}, "f:strategy": {}, "f:template": {"f:spec": {"f:hostNetwork": {}, "f:volumes": {}}}},
            })
        );
        assert_eq!(
            patch[2]["path"],
            "/metadata/annotations/albatross.aero~1applied-digest"
        );
    }

    #[test]
    fn an_object_that_somebody_made_becomes_the_operators() {
        let live = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"managedFields": [owner("kubectl", "Update", json!({"f:spec": {"f:type": {}}}))]},
        });
        let patch = take_over(&serde_json::from_value(live).unwrap());
        let owners = patch[1]["value"].as_array().unwrap();
        let expected = json!({
            "apiVersion": "v1", "fieldsType": "FieldsV1", "manager": FIELD_MANAGER, "operation": APPLY,
            "fieldsV1": {"f:spec": {"f:type": {}}},
        });
        assert_eq!(owners, &[expected]);
        assert_eq!(patch.as_array().unwrap().len(), 2);
    }
}
