//! What was released is kept, and what people have from it is taken by this tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use albatross_crds::definitions;
use albatross_tests::chart::{self, CHART};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::VALUES;
use crate::narrowing::narrowed;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Charts by version.
const KEPT: &str = "tests/fixtures/releases";
const KEEP: &str = "tests/keep-release";

/// The chart to upgrade from: the newest release. Before the first, one as it might have been, which is made in `folder`.
pub fn older_chart(folder: &Path) -> String {
    let kept = kept(Path::new(ROOT)).into_iter();
    let newest = kept.max_by_key(|(version, _)| numbers(version));
    let chart = newest.map_or_else(|| made_up(folder), |(_, chart)| chart);
    chart.to_str().unwrap().to_owned()
}

/// What a chart defines.
pub fn defined(chart: &str) -> Vec<CustomResourceDefinition> {
    let values = serde_json::from_str(VALUES).unwrap();
    let objects = chart::render_from(chart, &values, &[]).unwrap();
    let is_one = |object: &DynamicObject| {
        let types = object.types.as_ref();
        types.is_some_and(|types| types.kind == "CustomResourceDefinition")
    };
    let found = objects.into_iter().filter(is_one);
    found.map(|it| it.try_parse().unwrap()).collect()
}

/// The charts of all releases of a tree, by version.
fn kept(root: &Path) -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(root.join(KEPT)).unwrap();
    let entries = entries.map(|entry| entry.unwrap());
    let charts = entries.filter(|entry| entry.path().is_dir());
    charts
        .map(|it| (it.file_name().into_string().unwrap(), it.path()))
        .collect()
}

/// By which versions are in order.
fn numbers(version: &str) -> Vec<u64> {
    let numbers = version.split('.').map(|number| number.parse().unwrap());
    numbers.collect()
}

/// The versions of which a changelog tells: `## 0.1.0 - 2027-01-31`.
fn released(changelog: &str) -> BTreeSet<&str> {
    let headings = changelog
        .lines()
        .filter_map(|line| line.strip_prefix("## "));
    let versions = headings.filter_map(|heading| heading.split_whitespace().next());
    versions.filter(|it| *it != "Unreleased").collect()
}

/// What is wrong with the releases of a tree.
fn faults(root: &Path) -> Vec<String> {
    let changelog = fs::read_to_string(root.join("CHANGELOG.md")).unwrap();
    let (told, kept) = (released(&changelog), kept(root));
    let mut faults = Vec::new();
    for version in told.iter().filter(|it| !kept.contains_key(**it)) {
        faults.push(format!("{version} is not kept: run {KEEP}"));
    }
    for version in kept.keys() {
        if !told.contains(version.as_str()) {
            faults.push(format!(
                "{version} is kept, and CHANGELOG.md does not tell of it"
            ));
        }
    }
    // Each is taken by the next: who goes further does so step by step.
    let mut charts: Vec<(&String, &Path)> = kept.iter().map(|(it, chart)| (it, &**chart)).collect();
    charts.sort_by_key(|(version, _)| numbers(version));
    let newer = charts.iter().skip(1).map(|(_, chart)| *chart);
    for ((version, older), newer) in charts.iter().zip(newer.chain([Path::new(CHART)])) {
        let refused = refused(older, newer).into_iter();
        faults.extend(refused.map(|fault| format!("{version}: {fault}")));
    }
    faults
}

/// What a chart does not take that an older one took.
fn refused(older: &Path, newer: &Path) -> Vec<String> {
    let chart = newer.to_str().unwrap();
    let newer = defined(chart);
    let mut faults = Vec::new();
    for older in defined(older.to_str().unwrap()) {
        let same = newer
            .iter()
            .find(|it| it.metadata.name == older.metadata.name);
        let name = older.metadata.name.clone().unwrap();
        match same {
            Some(newer) => {
                let narrowed = narrowed(&older, newer).into_iter();
                faults.extend(narrowed.map(|fault| format!("{name}: {fault}")));
            }
            None => faults.push(format!("{name} is gone")),
        }
    }
    // People begin with a copy of them.
    let values = fs::read_to_string(older.join("values.yaml")).unwrap();
    let mut values: Value = serde_yaml_ng::from_str(&values).unwrap();
    let least: Value = serde_json::from_str(VALUES).unwrap();
    values["config"]["servers"]["postgres"] = least["config"]["servers"]["postgres"].clone();
    faults.extend(chart::render_from(chart, &values, &[]).err());
    faults
}

/// The chart as an older version might have had it: no Tenant says `limits.storage`, and nobody is told anything.
fn made_up(folder: &Path) -> PathBuf {
    let chart = folder.join("older");
    copy(CHART, &chart);
    rewrite(&chart.join("Chart.yaml"), |about| {
        about["version"] = json!("0.0.1");
    });
    rewrite(&chart.join("values.yaml"), |values| {
        let values = values.as_object_mut().unwrap();
        for value in [
            "serviceMonitor",
            "podMonitor",
            "prometheusRule",
            "dashboard",
        ] {
            values.remove(value).unwrap();
        }
    });
    fs::remove_file(chart.join("templates/monitoring.yaml")).unwrap();
    define_tenant(&chart, |spec| {
        let limits = spec["limits"].as_object_mut().unwrap();
        let fields = limits["properties"].as_object_mut().unwrap();
        fields.remove("storage").unwrap();
        limits.remove("x-kubernetes-validations").unwrap();
    });
    chart
}

fn copy(from: &str, to: &Path) {
    let mut copy = Command::new("cp");
    copy.args(["--recursive", from]).arg(to);
    assert!(copy.status().unwrap().success());
}

fn rewrite(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = serde_yaml_ng::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    change(&mut value);
    fs::write(file, serde_yaml_ng::to_string(&value).unwrap()).unwrap();
}

/// Gives a chart another definition of Tenant, with other fields in its `spec`.
fn define_tenant(chart: &Path, change: impl FnOnce(&mut Value)) {
    let mut tenant = json!(definitions::tenant());
    tenant["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
    let fields = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    change(tenant.pointer_mut(fields).unwrap());
    let file = chart.join("templates/crds/tenants.yaml");
    fs::write(file, tenant.to_string()).unwrap();
}

#[test]
fn every_release_is_kept_and_what_it_took_is_taken() {
    assert_eq!(faults(Path::new(ROOT)), [""; 0]);
}

#[test]
fn what_a_later_release_only_adds_takes_nothing_away() {
    let folder = tempfile::tempdir().unwrap();
    let older = made_up(folder.path());
    assert_eq!(refused(&older, Path::new(CHART)), [""; 0]);
}

/// In a tree that has released something.
#[test]
fn a_release_that_is_not_kept_or_whose_objects_are_refused_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for parent in [KEPT, "charts"] {
        fs::create_dir_all(root.join(parent)).unwrap();
    }
    copy(CHART, &root.join("charts/albatross"));
    copy(&format!("{ROOT}/{KEEP}"), &root.join(KEEP));
    rewrite(&root.join("charts/albatross/Chart.yaml"), |about| {
        about["version"] = json!("9.8.7");
    });
    let keep = || Command::new(root.join(KEEP)).output().unwrap().status;
    let tell = |text: &str| fs::write(root.join("CHANGELOG.md"), text).unwrap();
    tell("# Changelog\n\n## Unreleased\n\n- Something.\n");
    assert_eq!(faults(root), [""; 0]);
    assert!(!keep().success(), "nobody was told of it");

    tell("# Changelog\n\n## Unreleased\n\n## 9.8.7 - 2027-01-31\n\n- Something.\n");
    assert_eq!(faults(root), ["9.8.7 is not kept: run tests/keep-release"]);
    assert!(keep().success());
    assert_eq!(faults(root), [""; 0]);
    assert!(!keep().success(), "it was kept before");

    let chart = root.join(KEPT).join("9.8.7");
    define_tenant(&chart, |fields| {
        fields["fleet"] = json!({"type": "integer"});
    });
    fs::remove_file(chart.join("values.schema.json")).unwrap();
    rewrite(&chart.join("values.yaml"), |values| {
        values["config"]["leaderElection"]["enabled"] = json!(true);
    });
    let found = faults(root);
    let [field, value] = &found[..] else {
        panic!("{found:?}");
    };
    let gone = "9.8.7: tenants.albatross.aero: v1alpha1.spec.fleet is gone";
    assert_eq!(field, gone);
    assert!(value.contains("/config/leaderElection"), "{value}");
}
