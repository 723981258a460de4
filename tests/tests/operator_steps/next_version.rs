//! The way to another version of the definitions, as CONTRIBUTING.md describes it, walked to its end and back.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use albatross_crds::{ApiKey, Tenant};
use albatross_tests::api_server::programs;
use albatross_tests::chart;
use albatross_tests::platform::{CLIENTS, Platform, Setting};
use albatross_tests::wait::{recovered, until};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, TypeMeta};
use kube::core::Status;
use kube::{Api, Resource, ResourceExt};
use serde_json::{Value, json};

const DEFINITIONS: [&str; 2] = ["tenants.albatross.aero", "apikeys.albatross.aero"];
const OLD: &str = "v1alpha1";
const NEXT: &str = "v1beta1";
/// As it is documented.
const REWRITE: &str =
    "kubectl get tenants.v1beta1.albatross.aero,apikeys.v1beta1.albatross.aero -A -o yaml --show-managed-fields |
     sed 's,albatross.aero/v1alpha1$,albatross.aero/v1beta1,' | kubectl replace -f -";

/// Versions that are served, and of them the one that is stored.
struct Stage {
    served: &'static [&'static str],
    stored: &'static str,
}

const BESIDE: Stage = Stage {
    served: &[OLD, NEXT],
    stored: OLD,
};
const MOVED: Stage = Stage {
    served: &[OLD, NEXT],
    stored: NEXT,
};
const DROPPED: Stage = Stage {
    served: &[NEXT],
    stored: NEXT,
};

#[tokio::test]
async fn objects_and_their_managed_fields_outlive_the_version_that_they_were_declared_in() {
    let setting = Setting::straight().await;
    let release = chart::render(&setting.values(), &[]).unwrap();
    let platform = Platform::with(setting).await;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    let declared = Platform::declaration("versioned", &json!({}));
    apply(&platform, OLD, &json!(declared)).await;
    platform.ready("versioned").await;
    platform
        .declare_key("versioned", "versioned", json!({}))
        .await;
    platform
        .key_comes_to("versioned", "True", "Available")
        .await;

    // Both are served. The operator speaks the old one, people speak either.
    enter(&platform, &release, &BESIDE).await;
    let mut declared = json!(declared);
    declared["displayName"] = json!("By the next version");
    declared["owners"] = json!([{"kind": "Group", "name": "versioned-ops"}]);
    apply(&platform, NEXT, &declared).await;
    platform.ready("versioned").await;
    platform.airline("beside", json!({})).await;

    enter(&platform, &release, &MOVED).await;
    platform
        .change("beside", json!({"displayName": "Moved"}))
        .await;
    platform.ready("beside").await;
    platform.airline("newborn", json!({})).await;
    let refused = try_to_enter(&platform, &release[..], &DROPPED).await;
    assert!(refused.is_err_and(|why| why.message.contains("storedVersions")));

    // In the place of an operator that speaks the next version: none.
    operator.stop().await;
    let before = everything(&platform).await;
    rewrite(&platform).await;
    for name in DEFINITIONS {
        let stored = json!({"status": {"storedVersions": [NEXT]}});
        let stored = definitions(&platform)
            .patch_status(name, &PatchParams::default(), &Patch::Merge(&stored))
            .await;
        stored.unwrap();
    }
    enter(&platform, &release, &DROPPED).await;
    recovered("the old version is gone", async || {
        platform
            .tenants()
            .list(&ListParams::default())
            .await
            .is_err()
    })
    .await;
    assert_eq!(everything(&platform).await, before);
    // What was applied in the old version is still its applier's to take away.
    declared.as_object_mut().unwrap().remove("owners");
    let applied = apply(&platform, NEXT, &declared).await;
    assert_eq!(applied.data["spec"]["owners"], json!(null));
    assert_eq!(managers(&applied), before["versioned"].1);

    // And back again.
    enter(&platform, &release, &BESIDE).await;
    recovered("the old version is there", async || {
        platform
            .tenants()
            .list(&ListParams::default())
            .await
            .is_ok()
    })
    .await;
    let operator = platform.operator().await;
    platform
        .change("versioned", json!({"displayName": "Back"}))
        .await;
    platform.ready("versioned").await;
    platform.remove_key("versioned").await;
    for tenant in ["versioned", "beside", "newborn"] {
        platform.remove(tenant).await;
    }
    operator.stop().await;
    for name in DEFINITIONS {
        let stored = json!({"status": {"storedVersions": [OLD]}});
        let stored = definitions(&platform)
            .patch_status(name, &PatchParams::default(), &Patch::Merge(&stored))
            .await;
        stored.unwrap();
    }
    platform.install().await;
}

/// As an upgrade of the release would.
async fn enter(platform: &Platform, release: &[DynamicObject], stage: &Stage) {
    try_to_enter(platform, release, stage).await.unwrap();
    let newest = stage.served.last().copied().unwrap_or_default();
    until("the version is served", async || {
        let (tenants, keys) = (tenants(platform, newest), api_keys(platform, newest));
        let all = ListParams::default();
        tenants.list(&all).await.is_ok() && keys.list(&all).await.is_ok()
    })
    .await;
}

async fn try_to_enter(
    platform: &Platform,
    release: &[DynamicObject],
    stage: &Stage,
) -> Result<(), Box<Status>> {
    let ours = |object: &&DynamicObject| DEFINITIONS.contains(&object.name_any().as_str());
    for definition in release.iter().filter(ours) {
        let mut definition = definition.clone();
        let versions = &mut definition.data["spec"]["versions"];
        let schema = versions[0].clone();
        let version = |name: &&str| {
            let mut version = schema.clone();
            version["name"] = json!(name);
            version["storage"] = json!(*name == stage.stored);
            version
        };
        *versions = stage.served.iter().map(version).collect();
        let parameters = PatchParams::apply("helm").force();
        let applied = definitions(platform)
            .patch(
                &definition.name_any(),
                &parameters,
                &Patch::Apply(&definition),
            )
            .await;
        match applied {
            Ok(_) => {}
            Err(kube::Error::Api(refusal)) => return Err(refusal),
            Err(error) => panic!("{error}"),
        }
    }
    Ok(())
}

/// Stores every object anew, in the version that is stored now, and names that in its managed fields.
async fn rewrite(platform: &Platform) {
    let before = versions(platform).await;
    let script = format!("PATH=$1:$PATH; {REWRITE}");
    let mut shell = Command::new("bash");
    shell
        .args(["-euo", "pipefail", "-c", &script, "rewrite"])
        .arg(programs().unwrap())
        .env("KUBECONFIG", platform.api_server.kubeconfig());
    let rewritten = shell.output().unwrap();
    assert!(rewritten.status.success(), "{rewritten:?}");
    let after = versions(platform).await;
    assert!(before.keys().eq(after.keys()));
    assert!(before.iter().all(|(name, version)| after[name] != *version));
}

async fn versions(platform: &Platform) -> BTreeMap<String, Option<String>> {
    let mut versions = BTreeMap::new();
    for api in [tenants(platform, NEXT), api_keys(platform, NEXT)] {
        for object in api.list(&ListParams::default()).await.unwrap() {
            versions.insert(name(&object.metadata), object.metadata.resource_version);
        }
    }
    versions
}

async fn apply(platform: &Platform, version: &str, spec: &Value) -> DynamicObject {
    let api_version = format!("albatross.aero/{version}");
    let tenant = json!({
        "apiVersion": api_version, "kind": "Tenant", "metadata": {"name": "versioned"}, "spec": spec,
    });
    let applied = tenants(platform, version)
        .patch(
            "versioned",
            &PatchParams::apply("git"),
            &Patch::Apply(&tenant),
        )
        .await;
    applied.unwrap()
}

type Seen = (Value, BTreeSet<String>);

/// All objects by name, without what a rewriting changes, and who manages which of their fields.
async fn everything(platform: &Platform) -> BTreeMap<String, Seen> {
    let mut all = BTreeMap::new();
    for api in [tenants(platform, NEXT), api_keys(platform, NEXT)] {
        for object in api.list(&ListParams::default()).await.unwrap() {
            let managers = managers(&object);
            let DynamicObject {
                types,
                metadata,
                data,
            } = object;
            let metadata = ObjectMeta {
                resource_version: None,
                managed_fields: None,
                ..metadata
            };
            let kind = types.map(|TypeMeta { kind, .. }| kind).unwrap_or_default();
            all.insert(name(&metadata), (json!([kind, metadata, data]), managers));
        }
    }
    all
}

/// With the namespace of one that has any.
fn name(metadata: &ObjectMeta) -> String {
    let parts = [&metadata.namespace, &metadata.name];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    parts.join("/")
}

fn managers(object: &DynamicObject) -> BTreeSet<String> {
    let entries = object.managed_fields().iter();
    entries
        .map(|entry| {
            let part = |part: &Option<String>| part.clone().unwrap_or_default();
            format!(
                "{} {} {}",
                part(&entry.manager),
                part(&entry.operation),
                part(&entry.subresource)
            )
        })
        .collect()
}

fn tenants(platform: &Platform, version: &str) -> Api<DynamicObject> {
    Api::all_with(platform.client.clone(), &of::<Tenant>(version))
}

fn api_keys(platform: &Platform, version: &str) -> Api<DynamicObject> {
    Api::namespaced_with(platform.client.clone(), CLIENTS, &of::<ApiKey>(version))
}

fn of<K: Resource<DynamicType = ()>>(version: &str) -> ApiResource {
    let mut resource = ApiResource::erase::<K>(&());
    resource.version = version.to_owned();
    resource.api_version = format!("albatross.aero/{version}");
    resource
}

fn definitions(platform: &Platform) -> Api<CustomResourceDefinition> {
    Api::all(platform.client.clone())
}
