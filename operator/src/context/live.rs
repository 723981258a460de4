//! A live object of whatever kind, read in one pass. `DynamicObject` flattens what it holds: serde copies all of it first, and
//! reads the copy.

use std::borrow::Cow;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use kube::Resource;
use kube::api::{ApiResource, DynamicObject, TypeMeta};
use kube::core::DynamicResourceScope;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::context::strangers::Owner;

/// As the server answers, but for who owns which field, which is most of it: who states what is not theirs to state is kept by
/// name alone. Where the operator owns nothing, others may state whatever they like unseen: somebody without a name does.
#[derive(Debug, Clone)]
pub struct Live(pub DynamicObject);

impl<'de> Deserialize<'de> for Live {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = Members { is_answer: true };
        deserializer.deserialize_map(members).map(Self)
    }
}

/// An object that comes from this process, and says of owners what it was given.
pub fn plain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DynamicObject, D::Error> {
    deserializer.deserialize_map(Members { is_answer: false })
}

/// Of an object; all of them.
#[derive(Clone, Copy)]
struct Members {
    is_answer: bool,
}

impl<'de> Visitor<'de> for Members {
    type Value = DynamicObject;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<DynamicObject, A::Error> {
        let (mut api_version, mut kind) = (None, None);
        let (mut metadata, mut data) = (ObjectMeta::default(), Map::new());
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "apiVersion" => api_version = members.next_value()?,
                "kind" => kind = members.next_value()?,
                "metadata" => metadata = members.next_value_seed(Metadata(self))?,
                _ => {
                    data.insert(name, members.next_value()?);
                }
            }
        }
        let types = Option::zip(api_version, kind);
        Ok(DynamicObject {
            types: types.map(|(api_version, kind)| TypeMeta { api_version, kind }),
            metadata,
            data: Value::Object(data),
        })
    }
}

struct Metadata(Members);

impl<'de> DeserializeSeed<'de> for Metadata {
    type Value = ObjectMeta;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ObjectMeta, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Metadata {
    type Value = ObjectMeta;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object's metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<ObjectMeta, A::Error> {
        let mut owners = Vec::new();
        let unmanaged = MapAccessDeserializer::new(Unmanaged {
            fields,
            owners: &mut owners,
        });
        let mut metadata = ObjectMeta::deserialize(unmanaged)?;
        let is_owned = owners.iter().any(Owner::is_ours) || !self.0.is_answer;
        let unknown = (!is_owned).then(ManagedFieldsEntry::default);
        let strangers = owners.into_iter().filter(Owner::is_stranger);
        let marks: Vec<_> = strangers.map(Owner::mark).chain(unknown).collect();
        metadata.managed_fields = (!marks.is_empty()).then_some(marks);
        Ok(metadata)
    }
}

/// Takes `managedFields` out.
struct Unmanaged<'a, A> {
    fields: A,
    owners: &'a mut Vec<Owner>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Unmanaged<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(name) = self.fields.next_key::<String>()? {
            if name != "managedFields" {
                return seed.deserialize(name.into_deserializer()).map(Some);
            }
            let owners = self.fields.next_value::<Option<Vec<Owner>>>()?;
            self.owners.extend(owners.into_iter().flatten());
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.fields.next_value_seed(seed)
    }
}

impl Resource for Live {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::kind(resource)
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::group(resource)
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::version(resource)
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::plural(resource)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.0.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.0.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::context::strangers::strangers;

    #[test]
    fn reads_what_a_dynamic_object_reads() {
        for object in [
            json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {
                    "name": "api", "namespace": "albatross-skyways", "generation": 2, "labels": {"a": "b"},
                    "creationTimestamp": "2026-11-24T12:00:00Z",
                    "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}],
                },
                "spec": {"replicas": 1, "template": {"metadata": {"managedFields": "a label's value"}}},
                "status": {"conditions": [{"type": "Available"}]},
            }),
            json!({"metadata": {}, "data": null}),
            json!({}),
        ] {
            let text = object.to_string();
            let expected: DynamicObject = serde_json::from_str(&text).unwrap();
            let from_text = plain(&mut serde_json::Deserializer::from_str(&text)).unwrap();
            assert_eq!(from_text, expected);
            assert_eq!(plain(object).unwrap(), expected);
        }
    }

    #[test]
    fn who_owns_which_field_is_passed_over_but_for_the_names_of_strangers() {
        let ours = json!({"manager": "albatross-operator", "operation": "Apply", "fieldsV1": {"f:spec": {}}});
        let theirs = |fields: Value| json!({"manager": "kubectl", "operation": "Update", "fieldsV1": fields});
        let read = |owners: Value| {
            let object = json!({"metadata": {"managedFields": owners, "resourceVersion": "7"}});
            let Live(object) = serde_json::from_value(object).unwrap();
            object
        };
        let object = read(json!([ours, theirs(json!({"f:metadata": {}}))]));
        assert_eq!(object.metadata.managed_fields, None);
        assert_eq!(object.metadata.resource_version.as_deref(), Some("7"));
        let object = read(json!([ours, theirs(json!({"f:data": {}}))]));
        assert_eq!(strangers(&object).collect::<Vec<_>>(), ["kubectl"]);
        // As it is kept, and read again.
        assert_eq!(plain(json!(object)).unwrap(), object);
        // Who has the server forget all owners is one, too.
        for forgotten in [json!([]), json!(null)] {
            assert_eq!(strangers(&read(forgotten)).count(), 1);
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["[]", "7", r#"{"metadata": {"name": 7}}"#, r#"{"kind": 7}"#] {
            assert!(serde_json::from_str::<Live>(text).is_err(), "{text}");
        }
    }
}
