//! What the chart renders and the examples declare, as kubeconform judges it: by the schemas that the API server serves, read
//! strictly, and so without a server's defaulting and pruning.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use albatross_tests::wait::until;
use http::Request;
use kube::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::monitoring::ALL;
use crate::scraping::define;
use crate::{installed, render};

const KUBECONFORM: &str = "github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0";
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
/// Of the chart, besides its defaults.
const VARIANTS: [&[&str]; 3] = [
    &[],
    &ALL,
    &[
        "admissionPolicies.enabled=false",
        "crds.install=false",
        "networkPolicy.enabled=false",
        "podDisruptionBudget.enabled=false",
    ],
];

#[tokio::test]
async fn kubeconform_finds_nothing_in_the_chart_nor_in_the_examples() {
    let client = installed().await;
    define(&client).await;
    let rendered = VARIANTS.iter().flat_map(|it| render(it).unwrap());
    let objects: Vec<Value> = rendered.map(|it| json!(it)).chain(examples()).collect();
    let folder = tempfile::tempdir().unwrap();
    write_schemas(&client, &objects, folder.path()).await;
    judge(&objects, folder.path()).unwrap();

    // It is not by its leave that nothing is found.
    let mut misspelt = objects[0].clone();
    misspelt["metadata"]["lables"] = json!({});
    let said = judge(&[misspelt], folder.path()).unwrap_err();
    assert!(said.contains("lables"), "{said}");
}

fn examples() -> Vec<Value> {
    let files = fs::read_dir(EXAMPLES).unwrap().map(|it| it.unwrap().path());
    let texts = files
        .filter(|file| file.extension().is_some_and(|it| it == "yaml"))
        .map(|file| fs::read_to_string(file).unwrap());
    let documents = |text: String| -> Vec<Value> {
        let documents = serde_yaml_ng::Deserializer::from_str(&text);
        documents
            .map(|it| Value::deserialize(it).unwrap())
            .collect()
    };
    texts.flat_map(documents).collect()
}

/// A file for each kind, named as `judge` looks for them.
async fn write_schemas(client: &Client, objects: &[Value], folder: &Path) {
    let mut documents = BTreeMap::new();
    for object in objects {
        let [api_version, kind] = ["apiVersion", "kind"].map(|it| object[it].as_str().unwrap());
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        if !documents.contains_key(api_version) {
            documents.insert(api_version, served(client, api_version, kind).await);
        }
        let document = &documents[api_version];
        let name = named(
            document,
            &json!({"group": group, "version": version, "kind": kind}),
        );
        let schema = json!({
            "$ref": format!("#/components/schemas/{}", name.unwrap()),
            "components": document["components"],
        });
        let group = if group.is_empty() { version } else { group };
        let file = format!("{group}-{version}-{}.json", kind.to_lowercase());
        fs::write(folder.join(file), schema.to_string()).unwrap();
    }
}

/// Strictly read. A definition is in it some time after it was made.
async fn served(client: &Client, api_version: &str, kind: &str) -> Value {
    let root = if api_version.contains('/') {
        "apis"
    } else {
        "api"
    };
    let path = format!("/openapi/v3/{root}/{api_version}");
    let mut document = Value::Null;
    until(&format!("{path} has {kind}"), async || {
        let request = Request::get(&path).body(Vec::new()).unwrap();
        document = client.request(request).await.unwrap_or_default();
        document
            .to_string()
            .contains(&format!("\"kind\":\"{kind}\""))
    })
    .await;
    close(&mut document);
    document
}

/// The name of a kind's schema.
fn named(document: &Value, kind: &Value) -> Option<String> {
    let schemas = document["components"]["schemas"].as_object()?;
    let is_it = |schema: &Value| {
        let kinds = schema["x-kubernetes-group-version-kind"].as_array();
        kinds.is_some_and(|kinds| kinds.contains(kind))
    };
    let mut found = schemas.iter().filter(|(_, schema)| is_it(schema));
    found.next().map(|(name, _)| name.clone())
}

/// What is not described is not allowed, unless it says so.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let is_open = members.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
            if members.get("properties").is_some_and(Value::is_object) && !is_open {
                members
                    .entry("additionalProperties")
                    .or_insert(json!(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// What is said of those that are not valid, or that it has no schema for.
fn judge(objects: &[Value], schemas: &Path) -> Result<(), String> {
    let file = schemas.join("objects.yaml");
    let documents: Vec<String> = objects.iter().map(Value::to_string).collect();
    fs::write(&file, documents.join("\n---\n")).unwrap();
    let location = "{{.Group}}-{{.ResourceAPIVersion}}-{{.ResourceKind}}.json";
    let output = Command::new("go")
        .args(["run", KUBECONFORM, "-strict", "-schema-location"])
        .arg(schemas.join(location))
        .arg(&file)
        .env("CGO_ENABLED", "0")
        .output()
        .unwrap_or_else(|error| panic!("Go 1.26 or newer is needed: {error}"));
    let said = [output.stdout, output.stderr].concat();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&said).into_owned()),
    }
}
