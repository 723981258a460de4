//! The committed definitions are those that the types give, and have the form that an API server demands.

use std::{collections::BTreeSet, fs, path::Path};

use albatross_crds::definitions;
use serde_json::{Value, json};

#[test]
fn the_committed_files_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for file in definitions::files() {
        let committed = fs::read_to_string(root.join(&file.path)).unwrap_or_default();
        assert!(
            committed == file.content,
            "{} is stale: run `cargo run -p albatross-crds --bin generate-manifests`",
            file.path
        );
    }
}

#[test]
fn a_new_object_shows_that_nobody_has_looked_at_it() {
    for definition in [definitions::tenant(), definitions::api_key()] {
        let schema = definitions::schema_of(&definition);
        assert_eq!(
            schema["properties"]["status"]["default"],
            json!({"observedGeneration": -1})
        );
    }
}

#[test]
fn names_columns_and_subresources_are_as_documented() {
    let tenant = json!(definitions::tenant());
    assert_eq!(tenant["spec"]["scope"], "Cluster");
    assert_eq!(tenant["spec"]["names"]["shortNames"], json!(["tnt"]));
    assert_eq!(tenant["spec"]["names"]["categories"], json!(["albatross"]));
    let version = &tenant["spec"]["versions"][0];
    assert_eq!(
        version["subresources"],
        json!({"status": {}, "scale": {
            "specReplicasPath": ".spec.api.replicas",
            "statusReplicasPath": ".status.api.replicas",
            "labelSelectorPath": ".status.selector",
        }})
    );
    assert_eq!(
        columns(version, 0),
        ["Ready", "Reason", "API", "Version", "Age"]
    );
    assert_eq!(columns(version, 1), ["Namespace", "Endpoint", "Database"]);

    let api_key = json!(definitions::api_key());
    assert_eq!(api_key["spec"]["scope"], "Namespaced");
    assert_eq!(api_key["spec"]["names"]["shortNames"], json!(["ak"]));
    let version = &api_key["spec"]["versions"][0];
    assert_eq!(version["subresources"], json!({"status": {}}));
    assert_eq!(
        columns(version, 0),
        ["Ready", "KeyID", "Expires", "NextRotation", "Age"]
    );
    assert_eq!(columns(version, 1), ["Reason", "Tenant", "Secret"]);
}

fn columns(version: &Value, priority: i64) -> Vec<&str> {
    let columns = version["additionalPrinterColumns"].as_array();
    columns
        .into_iter()
        .flatten()
        .filter(|column| column["priority"].as_i64().unwrap_or(0) == priority)
        .filter_map(|column| column["name"].as_str())
        .collect()
}

/// What makes a schema structural, bounded and readable, for every field of both resources.
#[test]
fn every_field_is_documented_and_bounded() {
    let mut wrong = Vec::new();
    for (kind, definition) in [
        ("Tenant", definitions::tenant()),
        ("ApiKey", definitions::api_key()),
    ] {
        inspect(kind, &definitions::schema_of(&definition), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn inspect(path: &str, schema: &Value, wrong: &mut Vec<String>) {
    let has = |key: &str| schema.get(key).is_some();
    let mut demand = |holds: bool, what: &str| {
        if !holds {
            wrong.push(format!("{path}: {what}"));
        }
    };
    let int_or_string = has("x-kubernetes-int-or-string");
    demand(
        has("type") != int_or_string,
        "has a type, or is an int or string",
    );
    for junctor in ["oneOf", "anyOf", "allOf", "not", "nullable", "title"] {
        demand(
            !has(junctor),
            "has neither junctors nor what the rules need not know",
        );
    }
    let bounded_text = has("maxLength") || has("enum") || schema["format"] == "date-time";
    match schema["type"].as_str() {
        Some("string") => demand(bounded_text, "has at most so many characters"),
        Some("array") => {
            demand(has("maxItems"), "has at most so many items");
            demand(has("x-kubernetes-list-type"), "says how lists are merged");
        }
        Some("object") if has("additionalProperties") => {
            demand(has("maxProperties"), "has at most so many entries");
        }
        Some("integer") => demand(
            schema["format"] != "uint32",
            "has a format that Kubernetes knows",
        ),
        _ => demand(
            !int_or_string || has("maxLength"),
            "has at most so many characters",
        ),
    }
    let properties = schema["properties"].as_object();
    for (name, property) in properties.into_iter().flatten() {
        let path = format!("{path}.{name}");
        let described = property["description"]
            .as_str()
            .is_some_and(|text| !text.contains('\n'));
        if !described {
            wrong.push(format!("{path}: has a description on one line"));
        }
        inspect(&path, property, wrong);
    }
    for child in ["items", "additionalProperties"] {
        if has(child) {
            inspect(&format!("{path}.{child}"), &schema[child], wrong);
        }
    }
}

/// The API server fills in what is missing; a default that it would complete further shows up as a difference.
#[test]
fn defaults_are_complete_and_valid() {
    let minimal = json!({
        "apiVersion": "albatross.aero/v1alpha1", "kind": "Tenant", "metadata": {"name": "skyways"},
        "spec": {
            "displayName": "Skyways", "icaoCode": "SKY", "host": "skyways.localhost",
            "admins": [{"email": "ada@skyways.example", "displayName": "Ada"}],
        },
    });
    let stored = albatross_crds::rules::tenant().create(&minimal).unwrap();
    assert_eq!(stored["spec"]["api"], json!({"replicas": 1}));
    let added: BTreeSet<_> = stored["spec"]
        .as_object()
        .unwrap()
        .keys()
        .filter(|key| minimal["spec"].get(key).is_none())
        .cloned()
        .collect();
    let expected = [
        "api",
        "deletionPolicy",
        "deletionProtection",
        "hibernate",
        "mode",
        "suspend",
    ];
    assert_eq!(added, expected.map(str::to_owned).into());
    assert_eq!(albatross_crds::rules::tenant().create(&stored), Ok(stored));
}

#[test]
fn the_chart_copy_is_a_template_of_the_same_definition() {
    for pair in definitions::files().chunks(2) {
        let [plain, chart] = pair else {
            panic!("files come in pairs")
        };
        assert_eq!(
            chart.content.matches("{{").count(),
            2,
            "text must not look like a template"
        );
        let inner: String = chart
            .content
            .lines()
            .filter(|line| !line.starts_with("{{"))
            .collect::<Vec<_>>()
            .join("\n");
        let mut kept: Value = serde_yaml_ng::from_str(&inner).unwrap();
        let annotations = kept["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("annotations");
        assert_eq!(
            annotations,
            Some(json!({"helm.sh/resource-policy": "keep"}))
        );
        assert_eq!(
            kept,
            serde_yaml_ng::from_str::<Value>(&plain.content).unwrap()
        );
    }
}
