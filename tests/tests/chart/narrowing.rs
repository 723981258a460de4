//! What a definition takes no more that an earlier one took.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

/// Only what is known here to take as much: anything else is for a person to look at.
pub fn narrowed(older: &CustomResourceDefinition, newer: &CustomResourceDefinition) -> Vec<String> {
    let (older, newer) = (json!(older), json!(newer));
    let mut faults = Vec::new();
    for what in ["group", "names/kind", "names/plural", "scope"] {
        let at = format!("/spec/{what}");
        if older.pointer(&at) != newer.pointer(&at) {
            faults.push(format!("{what} is another one"));
        }
    }
    let (older, newer) = (served(&older), served(&newer));
    let both = older
        .iter()
        .filter_map(|(name, was)| Some((name, *was, *newer.get(name)?)));
    let both: Vec<_> = both.collect();
    if both.is_empty() {
        faults.push("no version is served any more".to_owned());
    }
    for (name, was, is) in both {
        let (had, has) = (&was["subresources"], &is["subresources"]);
        for (subresource, had) in had.as_object().into_iter().flatten() {
            if has.get(subresource) != Some(had) {
                faults.push(format!("{name}: {subresource} is another one"));
            }
        }
        let schema = |version: &Value| version["schema"]["openAPIV3Schema"].clone();
        compare(name, &schema(was), &schema(is), &mut faults);
    }
    faults
}

fn served(definition: &Value) -> BTreeMap<&str, &Value> {
    let versions = definition["spec"]["versions"].as_array();
    let served = versions
        .into_iter()
        .flatten()
        .filter(|version| version["served"] == json!(true));
    served
        .filter_map(|version| Some((version["name"].as_str()?, version)))
        .collect()
}

fn compare(path: &str, older: &Value, newer: &Value, faults: &mut Vec<String>) {
    let keys = [older, newer].into_iter().filter_map(Value::as_object);
    let keys: BTreeSet<&String> = keys.flat_map(|schema| schema.keys()).collect();
    for key in keys {
        let (was, is) = (&older[key], &newer[key]);
        let takes_as_much = match key.as_str() {
            "description" => true,
            "properties" => {
                for (name, was) in was.as_object().into_iter().flatten() {
                    let path = format!("{path}.{name}");
                    match is.get(name) {
                        Some(is) => compare(&path, was, is, faults),
                        None => faults.push(format!("{path} is gone")),
                    }
                }
                true
            }
            "items" | "additionalProperties" if was.is_object() && is.is_object() => {
                compare(&format!("{path}[]"), was, is, faults);
                true
            }
            "required" => listed(is).all(|name| {
                let is_given = newer["properties"][name].get("default").is_some();
                is_given || listed(was).any(|it| it == name)
            }),
            "enum" => {
                is.is_null()
                    || (was.is_array() && listed(was).all(|it| listed(is).any(|is| is == it)))
            }
            "maximum" | "maxLength" | "maxItems" | "maxProperties" => {
                is.is_null() || was.as_f64().is_some_and(|was| Some(was) <= is.as_f64())
            }
            "minimum" | "minLength" | "minItems" | "minProperties" => {
                is.is_null() || was.as_f64().is_some_and(|was| Some(was) >= is.as_f64())
            }
            "pattern" | "format" => is.is_null() || was == is,
            "default" => was.is_null() || was == is,
            "x-kubernetes-validations" => {
                let known: BTreeSet<&str> = rules(was).collect();
                rules(is).all(|rule| known.contains(rule) || is_about_a_new_field(rule, older))
            }
            _ => was == is,
        };
        if !takes_as_much {
            faults.push(format!("{path}: {key} was {was} and is {is}"));
        }
    }
}

fn listed(names: &Value) -> impl Iterator<Item = &str> {
    names
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

fn rules(validations: &Value) -> impl Iterator<Item = &str> {
    let each = validations.as_array().into_iter().flatten();
    each.filter_map(|validation| validation["rule"].as_str())
}

/// Whether it lets pass all that does not say a field that was not there.
fn is_about_a_new_field(rule: &str, older: &Value) -> bool {
    let rest = ["!has(self.", "!has(oldSelf."]
        .iter()
        .find_map(|begin| rule.strip_prefix(begin));
    let field = rest.and_then(|rest| rest.split_once(") || "));
    let is_new = |field: &str| !field.contains('.') && older["properties"].get(field).is_none();
    field.is_some_and(|(field, _)| is_new(field)) && !rule.contains('?')
}

/// With something else at one place; with nothing there for null.
fn with(place: &str, value: &Value) -> CustomResourceDefinition {
    let mut definition = json!(albatross_crds::definitions::tenant());
    let (parent, name) = place.rsplit_once('/').unwrap();
    let parent = definition.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(parent), Value::Null) => drop(parent.remove(name).unwrap()),
        (parent, value) => parent[name] = value.clone(),
    }
    serde_json::from_value(definition).unwrap()
}

/// Each change, and what is said against it as an upgrade and as the way back.
#[test]
fn what_a_definition_takes_no_more_is_named() {
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    let tenant = albatross_crds::definitions::tenant();
    let field = |name: &str| format!("{spec}/properties/{name}");
    let storage = json!([{"rule": "!has(self.fleet) || self.fleet > 1", "message": "m"}]);
    for (place, value, upgrade, way_back) in [
        (
            "/spec/names/plural".to_owned(),
            json!("airlines"),
            Some("names/plural is another one"),
            Some("names/plural"),
        ),
        (
            "/spec/versions/0/name".to_owned(),
            json!("v2"),
            Some("no version is served any more"),
            Some("no version"),
        ),
        (
            "/spec/versions/0/served".to_owned(),
            json!(false),
            Some("no version is served any more"),
            Some("no version"),
        ),
        (
            "/spec/versions/0/subresources/scale".to_owned(),
            json!(null),
            Some("scale is another one"),
            None,
        ),
        (
            field("owners"),
            json!(null),
            Some("v1alpha1.spec.owners is gone"),
            None,
        ),
        (
            field("admins/items/properties/email"),
            json!(null),
            Some("v1alpha1.spec.admins[].email is gone"),
            None,
        ),
        (
            field("icaoCode/maxLength"),
            json!(2),
            Some("v1alpha1.spec.icaoCode: maxLength was 3 and is 2"),
            None,
        ),
        (
            field("icaoCode/maxLength"),
            json!(null),
            None,
            Some("maxLength was null and is 3"),
        ),
        (
            field("icaoCode/pattern"),
            json!("^[A-Z]+$"),
            Some("pattern was"),
            Some("pattern was"),
        ),
        (
            field("icaoCode/type"),
            json!("integer"),
            Some("type was"),
            Some("type was"),
        ),
        (
            field("admins/minItems"),
            json!(2),
            Some("minItems was 1 and is 2"),
            None,
        ),
        (
            field("mode/enum"),
            json!(["Apply"]),
            Some("v1alpha1.spec.mode: enum was"),
            None,
        ),
        (
            field("mode/default"),
            json!("Observe"),
            Some("default was"),
            Some("default was"),
        ),
        (
            format!("{spec}/required"),
            json!(["host"]),
            None,
            Some("required was [\"host\"]"),
        ),
        (
            field("limits/x-kubernetes-validations"),
            storage.clone(),
            None,
            Some("x-kubernetes-validations was"),
        ),
        (field("quota/x-kubernetes-validations"), storage, None, None),
        (
            field("host/x-kubernetes-validations"),
            json!([{"rule": "self != ''", "message": "m"}]),
            Some("x-kubernetes-validations was null"),
            None,
        ),
        (
            field("fleet"),
            json!({"type": "integer"}),
            None,
            Some("v1alpha1.spec.fleet is gone"),
        ),
        (field("host/description"), json!("Where it is."), None, None),
    ] {
        let changed = with(&place, &value);
        for (faults, due) in [
            (narrowed(&tenant, &changed), upgrade),
            (narrowed(&changed, &tenant), way_back),
        ] {
            match (&faults[..], due) {
                ([], None) => {}
                ([fault], Some(due)) => assert!(fault.contains(due), "{place}: {fault}"),
                _ => panic!("{place} to {value}: {faults:?}, and not {due:?}"),
            }
        }
    }
}
