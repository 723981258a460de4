//! The chart, rendered by `helm` and put on an API server.

use std::process::Command;

use kube::api::{DynamicObject, Patch, PatchParams, TypeMeta};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Discovery, ResourceExt};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api_server::programs;

/// Where the release is.
pub const NAMESPACE: &str = "albatross-system";
/// The operator, as the API server knows it.
pub const OPERATOR: &str = "system:serviceaccount:albatross-system:albatross-operator";
/// The chart's folder.
pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/albatross");

/// What `helm` prints.
///
/// # Errors
/// What it says when it fails.
pub fn helm(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(format!("{}/helm", programs()?))
        .args(arguments)
        .output()
        .map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

/// The objects of a release with these values and `--set` settings.
///
/// # Errors
/// What `helm` says when it refuses them.
pub fn render(values: &Value, settings: &[&str]) -> Result<Vec<DynamicObject>, String> {
    render_from(CHART, values, settings)
}

/// The same, of the chart in another folder.
///
/// # Errors
/// What `helm` says when it refuses them.
pub fn render_from(
    chart: &str,
    values: &Value,
    settings: &[&str],
) -> Result<Vec<DynamicObject>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("values.json");
    std::fs::write(&file, values.to_string()).map_err(|error| error.to_string())?;
    let file = file.to_string_lossy();
    let mut arguments = vec!["template", "albatross", chart, "--namespace", NAMESPACE];
    arguments.extend(["--values", &file]);
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    serde_yaml_ng::Deserializer::from_str(&helm(&arguments)?)
        .map(|document| Value::deserialize(document).map_err(|error| error.to_string()))
        .filter(|document| !matches!(document, Ok(Value::Null)))
        .map(|document| serde_json::from_value(document?).map_err(|error| error.to_string()))
        .collect()
}

/// The operator's configuration file in a rendered release.
///
/// # Panics
/// When the release holds none.
pub fn configuration(objects: &[DynamicObject]) -> &str {
    let is_it = |object: &&DynamicObject| {
        let types = object.types.as_ref();
        types.is_some_and(|types| types.kind == "ConfigMap")
    };
    let map = objects.iter().find(is_it).expect("a ConfigMap");
    map.data["data"]["operator.yaml"].as_str().expect("a file")
}

/// Applies a rendered release as `helm install` does, which leaves the hooks of `helm test` out.
///
/// # Panics
/// When the server refuses an object.
pub async fn install(client: &Client, objects: &[DynamicObject]) {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    let namespace: DynamicObject = serde_json::from_value(namespace).expect("an object");
    let discovery = Discovery::new(client.clone()).run().await;
    let discovery = discovery.expect("the server says what it serves");
    let installed = objects
        .iter()
        .filter(|object| !object.annotations().contains_key("helm.sh/hook"));
    for object in [&namespace].into_iter().chain(installed) {
        let TypeMeta { api_version, kind } = object.types.clone().expect("an object has a kind");
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let kind = GroupVersionKind::gvk(group, version, &kind);
        let (resource, _) = discovery.resolve_gvk(&kind).expect("a kind that is served");
        let api: Api<DynamicObject> = match object.namespace() {
            Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        let parameters = PatchParams::apply("helm").validation_strict();
        let applied = api
            .patch(&object.name_any(), &parameters, &Patch::Apply(object))
            .await;
        applied.unwrap_or_else(|error| panic!("{} {}: {error}", kind.kind, object.name_any()));
    }
}
