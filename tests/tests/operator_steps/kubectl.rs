//! What people see and do by `kubectl`: columns, explanations, and deletion in the foreground.

use std::collections::BTreeSet;

use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{CLIENTS, Outside, Platform};
use albatross_tests::wait::recovered;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;
use serde_json::json;

fn kubectl(platform: &Platform, line: &str) -> String {
    let arguments: Vec<&str> = line.split_whitespace().collect();
    let output = crate::diff::kubectl(platform, &arguments);
    assert!(output.status.success(), "kubectl {line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The words of each line, the age aside.
fn cells(platform: &Platform, line: &str) -> Vec<Vec<String>> {
    let printed = kubectl(platform, line);
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    let mut lines: Vec<Vec<String>> = printed.lines().map(words).collect();
    let age = lines[0].iter().position(|word| word == "AGE").unwrap();
    for line in &mut lines[1..] {
        line[age] = "-".to_owned();
    }
    lines
}

#[tokio::test]
async fn kubectl_prints_what_people_look_for() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    let tenant = platform
        .airline("printed", json!({"version": "0.2.0"}))
        .await;
    platform
        .declare_key(
            "printed-acars",
            "printed",
            json!({"rotation": {"every": "30d", "overlap": "1d"}}),
        )
        .await;
    let key = platform
        .key_comes_to("printed-acars", "True", "Available")
        .await;

    let shown = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let status = tenant.status.unwrap();
    let (version, endpoint) = (status.version.unwrap(), status.endpoint.unwrap());
    let database = &platform.record("printed").await["database"];
    let head = "NAME READY REASON API VERSION AGE";
    let row = format!("printed True Available 1 {version} -");
    assert_eq!(cells(&platform, "get tenants"), [shown(head), shown(&row)]);
    let wide = [
        shown(&format!("{head} NAMESPACE ENDPOINT DATABASE")),
        shown(&format!("{row} albatross-printed {endpoint} {database}")),
    ];
    assert_eq!(cells(&platform, "get tnt -o wide"), wide);

    let status = key.status.unwrap();
    let id = status.key_id.unwrap();
    let head = "NAME READY KEYID EXPIRES NEXTROTATION AGE";
    let time = |time: Option<Time>| json!(time.unwrap()).as_str().unwrap().to_owned();
    let (expires, rotates) = (time(status.expires_at), time(status.next_rotation_at));
    let row = format!("printed-acars True {id} {expires} {rotates} -");
    let keys = format!("get apikeys -n {CLIENTS}");
    assert_eq!(cells(&platform, &keys), [shown(head), shown(&row)]);
    let wide = [
        shown(&format!("{head} REASON TENANT SECRET")),
        shown(&format!("{row} Available printed printed-acars")),
    ];
    assert_eq!(
        cells(&platform, &format!("get ak -n {CLIENTS} -o wide")),
        wide
    );
    let both = kubectl(&platform, "get albatross -A -o name");
    assert_eq!(both.lines().count(), 2, "{both}");

    kubectl(
        &platform,
        "wait tenant/printed --for=condition=Ready --timeout=60s",
    );
    kubectl(
        &platform,
        "rollout status deploy/api -n albatross-printed --timeout=60s",
    );
    platform.remove_key("printed-acars").await;
    platform.remove("printed").await;
    operator.stop().await;
}

#[tokio::test]
async fn every_field_is_explained() {
    let platform = Platform::new().await;
    let definitions: Api<CustomResourceDefinition> = Api::all(platform.client.clone());
    let mut explained = BTreeSet::new();
    for (name, kind) in [("tenants", "tenant"), ("apikeys", "apikey")] {
        let definition = definitions
            .get(&format!("{name}.albatross.aero"))
            .await
            .unwrap();
        let version = definition.spec.versions.into_iter().next().unwrap();
        let schema = version.schema.unwrap().open_api_v3_schema.unwrap();
        let mut without = Vec::new();
        walk(
            &schema,
            kind,
            &mut |path, field| match field.description.as_deref().map(str::trim) {
                None | Some("") => without.push(path.to_owned()),
                Some(text) => drop(explained.insert((path.to_owned(), text.to_owned()))),
            },
        );
        assert_eq!(without, [""; 0], "nobody says what these are for");
    }
    for path in [
        "tenant.spec.api",
        "tenant.spec.api.autoscaling.external",
        "tenant.spec.exposure.gateway.parentRef",
        "tenant.status.resources.name",
        "apikey.spec.rotation",
        "apikey.spec.rotation.overlap",
    ] {
        let (_, text) = explained.iter().find(|(known, _)| known == path).unwrap();
        let said = kubectl(&platform, &format!("explain {path}"));
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&said).contains(&words(text)), "{path}: {said}");
    }
}

/// Tells of each field below, by its path as `kubectl explain` takes it.
fn walk(schema: &JSONSchemaProps, path: &str, tell: &mut impl FnMut(&str, &JSONSchemaProps)) {
    for (name, field) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        tell(&path, field);
        walk(field, &path, tell);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
        walk(item, path, tell);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
        walk(value, path, tell);
    }
}

#[tokio::test]
async fn deletion_in_the_foreground_ends_and_releases_everything() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    // Who ends it: objects wait for this controller, which looks for what they own.
    let _collector = platform
        .api_server
        .controller("garbage-collector-controller");
    let operator = platform.operator().await;
    platform.airline("foreground", json!({})).await;
    let record = platform.record("foreground").await;
    for key in ["first", "last"] {
        platform.declare_key(key, "foreground", json!({})).await;
        platform.key_comes_to(key, "True", "Available").await;
    }
    let secrets = platform.pending_secrets().await;
    assert_eq!(secrets.len(), 2);

    delete(&platform, &format!("apikey/first -n {CLIENTS}"));
    recovered("the key is gone", async || {
        platform
            .api_keys()
            .get_opt("first")
            .await
            .unwrap()
            .is_none()
    })
    .await;
    assert!(platform.secret(CLIENTS, "first").await.is_none());
    assert_eq!(platform.pending_secrets().await.len(), 1);
    let tenant = platform.tenant("foreground").await.unwrap();
    assert_eq!(tenant.metadata.deletion_timestamp, None);

    delete(&platform, "tenant/foreground");
    recovered("the tenant is gone", async || {
        platform.tenant("foreground").await.is_none()
    })
    .await;
    assert_eq!(platform.outside(&record).await, Outside::NOTHING);
    assert!(
        platform
            .secret(NAMESPACE, "tenant-foreground")
            .await
            .is_none()
    );
    let namespaces: Api<Namespace> = Api::all(platform.client.clone());
    let left = namespaces.get_opt("albatross-foreground").await.unwrap();
    assert!(left.is_none(), "{left:?}");

    delete(&platform, &format!("apikey/last -n {CLIENTS}"));
    recovered("the key is gone", async || {
        platform.api_keys().get_opt("last").await.unwrap().is_none()
    })
    .await;
    assert!(platform.secret(CLIENTS, "last").await.is_none());
    assert!(platform.pending_secrets().await.is_empty());
    operator.stop().await;
}

fn delete(platform: &Platform, what: &str) {
    kubectl(
        platform,
        &format!("delete {what} --cascade=foreground --wait=false"),
    );
}
