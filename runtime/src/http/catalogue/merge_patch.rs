//! A change as a merge patch (RFC 7396): absent members stay, null removes.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::http::extract::from_json;
use crate::http::problem::{Problem, kind};

/// `present` with the patch applied, read as strictly as any body.
///
/// # Errors
/// 422 when the outcome is not what it must be.
pub fn patched<T: Serialize + DeserializeOwned>(
    present: &T,
    patch: Map<String, Value>,
) -> Result<T, Problem> {
    let unwritable = |error: serde_json::Error| {
        tracing::error!(%error, "an entity has no JSON form");
        Problem::from(kind::INTERNAL)
    };
    let mut merged = serde_json::to_value(present).map_err(unwritable)?;
    merge(&mut merged, patch);
    from_json(&serde_json::to_vec(&merged).map_err(unwritable)?)
}

fn merge(target: &mut Value, patch: Map<String, Value>) {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(members) = target.as_object_mut() else {
        return;
    };
    for (name, value) in patch {
        match value {
            Value::Null => {
                members.remove(&name);
            }
            Value::Object(nested) => merge(members.entry(name).or_insert(Value::Null), nested),
            value => {
                members.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    /// The examples of RFC 7396, appendix A, whose patch is an object.
    #[rstest]
    #[case(json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"}))]
    #[case(json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"}))]
    #[case(json!({"a": "b"}), json!({"a": null}), json!({}))]
    #[case(json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"}))]
    #[case(json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"}))]
    #[case(json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]}))]
    #[case(json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}}))]
    #[case(json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]}))]
    #[case(json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1}))]
    #[case(json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"}))]
    #[case(json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}}))]
    fn patches_merge(#[case] mut target: Value, #[case] patch: Value, #[case] merged: Value) {
        merge(&mut target, patch.as_object().unwrap().clone());
        assert_eq!(target, merged);
    }
}
