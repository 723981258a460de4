//! Any kind of object as it is to be applied, and whether a live one still is so.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use crate::context::kinds::Applicable;
use crate::context::live;
use crate::context::strangers::strangers;
use crate::context::token::fingerprint;
use crate::names;

/// Fields that are applied as a whole and to which the server adds nothing: what is more in them is drift.
const ATOMIC: [&str; 6] = [
    "egress",
    "ingress",
    "namespaceSelector",
    "podSelector",
    "selector",
    "subjects",
];

/// Identifies an object within the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    pub kind: String,
    pub namespace: Option<String>,
    pub name: String,
}

impl ObjectKey {
    /// Whether it is in a namespace, or the namespace itself.
    pub fn is_of(&self, namespace: &str) -> bool {
        self.namespace.as_deref().unwrap_or(&self.name) == namespace
    }
}

/// An object as it is to be applied.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub resource: ApiResource,
    pub object: DynamicObject,
    pub digest: String,
}

impl Wanted {
    /// Marks `object` with the digest of all that it says.
    pub fn new<K: Applicable>(object: &K) -> Self {
        let resource = ApiResource::erase::<K>(&());
        let value = plain(object);
        let digest = fingerprint(value.to_string());
        let mut object = parsed(value);
        object
            .annotations_mut()
            .insert(names::DIGEST_ANNOTATION.to_owned(), digest.clone());
        Self {
            resource,
            object,
            digest,
        }
    }

    pub fn key(&self) -> ObjectKey {
        key_of(&self.resource, &self.object)
    }

    /// Secrets are not watched outside the operator's namespace.
    pub fn is_secret(&self) -> bool {
        self.resource.kind == Secret::kind(&())
    }

    /// Whether every field that is wanted is in `live`, and nobody else has added any that are not theirs to add.
    pub fn is_met_by(&self, live: &DynamicObject) -> bool {
        covers(&labelling(&self.object), &labelling(live))
            && covers(&self.object.data, &live.data)
            && strangers(live).next().is_none()
    }

    /// Paths of the fields that are wanted and not so in `live`, the digest of all of them aside; and who has added others.
    pub fn differences(&self, live: &DynamicObject) -> Vec<String> {
        let mut paths = Vec::new();
        let (wanted, is) = (labelling(&self.object), labelling(live));
        differences("metadata", &wanted, &is, &mut paths);
        let digest = format!("metadata.annotations.{}", names::DIGEST_ANNOTATION);
        paths.retain(|path| *path != digest);
        differences("", &self.object.data, &live.data, &mut paths);
        let others = strangers(live).map(|name| format!("metadata.managedFields of {name}"));
        paths.extend(others);
        paths
    }
}

/// What of an object's metadata is applied.
fn labelling(object: &DynamicObject) -> Value {
    json!({
        "labels": object.metadata.labels,
        "annotations": object.metadata.annotations,
    })
}

/// The deepest fields of `wanted` that `live` does not cover.
fn differences(path: &str, wanted: &Value, live: &Value, found: &mut Vec<String>) {
    if covers(wanted, live) {
        return;
    }
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => {
            for (key, value) in wanted {
                let live = live.get(key).unwrap_or(&Value::Null);
                let path = match path {
                    "" => key.clone(),
                    path => format!("{path}.{key}"),
                };
                if ATOMIC.contains(&key.as_str()) && !covers(live, value) {
                    found.push(path);
                } else {
                    differences(&path, value, live, found);
                }
            }
        }
        (Value::Array(wanted), Value::Array(live)) if wanted.len() == live.len() => {
            for (i, (wanted, live)) in wanted.iter().zip(live).enumerate() {
                differences(&format!("{path}[{i}]"), wanted, live, found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

/// `object` as it is, of whatever kind.
pub fn dynamic<K: Applicable>(object: &K) -> DynamicObject {
    parsed(plain(object))
}

fn plain<K: Applicable>(object: &K) -> Value {
    serde_json::to_value(object).expect("a Kubernetes object is plain JSON")
}

fn parsed(value: Value) -> DynamicObject {
    live::plain(value).expect("a Kubernetes object is an object, as is its metadata")
}

pub fn key_of(resource: &ApiResource, object: &DynamicObject) -> ObjectKey {
    ObjectKey {
        kind: resource.kind.clone(),
        namespace: object.namespace(),
        name: object.name_any(),
    }
}

/// Whether `live` says all that `wanted` says. The server adds defaults, never takes away, and writes quantities its way.
fn covers(wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        (Value::Null, _) => true,
        (Value::Object(wanted), _) if wanted.is_empty() => true,
        (Value::Array(wanted), Value::Null) => wanted.is_empty(),
        (Value::Object(wanted), Value::Object(live)) => wanted.iter().all(|(key, value)| {
            let live = live.get(key).unwrap_or(&Value::Null);
            covers(value, live) && (!ATOMIC.contains(&key.as_str()) || covers(live, value))
        }),
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.len() == live.len()
                && wanted
                    .iter()
                    .zip(live)
                    .all(|(wanted, live)| covers(wanted, live))
        }
        (Value::String(wanted), Value::String(live)) => {
            wanted == live
                || quantity(wanted)
                    .zip(quantity(live))
                    .is_some_and(|(a, b)| (a - b).abs() <= a.abs() * 1e-9)
        }
        (wanted, live) => wanted == live,
    }
}

/// The value of a Kubernetes quantity.
fn quantity(text: &str) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 14] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("", 1.0),
    ];
    let (suffix, factor) = SUFFIXES.iter().find(|(suffix, _)| text.ends_with(suffix))?;
    let number = text.strip_suffix(suffix)?;
    let plain = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = number.parse().ok().filter(|_| plain)?;
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Namespace;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::defaults_are_added(json!({"a": 1}), json!({"a": 1, "b": 2}), true)]
    #[case::a_changed_field(json!({"a": 1}), json!({"a": 2}), false)]
    #[case::a_missing_field(json!({"a": 1}), json!({}), false)]
    #[case::an_empty_object_says_nothing(json!({"a": {}}), json!({}), true)]
    #[case::an_empty_list_says_nothing(json!({"a": []}), json!({}), true)]
    #[case::one_more_in_a_list(json!({"a": [1]}), json!({"a": [1, 2]}), false)]
    #[case::defaults_inside_a_list(json!([{"port": 1}]), json!([{"port": 1, "protocol": "TCP"}]), true)]
    #[case::the_same_quantity(json!({"cpu": "0.5"}), json!({"cpu": "500m"}), true)]
    #[case::another_quantity(json!({"cpu": "0.5"}), json!({"cpu": "400m"}), false)]
    #[case::the_same_memory(json!("1024Mi"), json!("1Gi"), true)]
    #[case::a_narrowed_selector(json!({"podSelector": {}}), json!({"podSelector": {"matchLabels": {"a": "b"}}}), false)]
    #[case::a_widened_rule(json!({"egress": [{"ports": [{"port": 1}]}]}), json!({"egress": [{"ports": [{"port": 1, "endPort": 9}]}]}), false)]
    #[case::a_rule_where_none_was(json!({"egress": []}), json!({"egress": [{}]}), false)]
    #[case::no_rules_are_not_stored(json!({"egress": []}), json!({}), true)]
    #[case::words_are_no_quantities(json!("m"), json!("k"), false)]
    fn drift_is_told_from_defaults(
        #[case] wanted: Value,
        #[case] live: Value,
        #[case] expected: bool,
    ) {
        assert_eq!(covers(&wanted, &live), expected);
    }

    #[rstest]
    #[case::nothing(json!({"a": 1}), json!({"a": 1, "b": 2}), &[])]
    #[case::a_field(json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": 1}}), &["a.c"])]
    #[case::in_a_list(json!({"a": [{"b": 1}, {"b": 2}]}), json!({"a": [{"b": 1}, {"b": 3}]}), &["a[1].b"])]
    #[case::a_longer_list(json!({"a": [1, 2]}), json!({"a": [1]}), &["a"])]
    #[case::drift_in_what_is_whole(json!({"selector": {"a": "b"}}), json!({"selector": {"a": "b", "c": "d"}}), &["selector"])]
    #[case::another_kind_of_value(json!({"a": {"b": 1}}), json!({"a": 1}), &["a"])]
    fn differences_are_told_by_their_paths(
        #[case] wanted: Value,
        #[case] live: Value,
        #[case] expected: &[&str],
    ) {
        let mut found = Vec::new();
        differences("", &wanted, &live, &mut found);
        assert_eq!(found, expected);
    }

    #[test]
    fn what_was_applied_is_met_by_what_is_read_back() {
        let namespace: Namespace = serde_json::from_value(json!({
            "metadata": {"name": "albatross-skyways", "labels": {"a": "b"}},
        }))
        .unwrap();
        let wanted = Wanted::new(&namespace);
        let stored: Namespace = serde_json::from_value(json!(wanted.object)).unwrap();
        assert!(wanted.is_met_by(&dynamic(&stored)));
        assert!(!wanted.is_met_by(&dynamic(&namespace)));
    }
}
