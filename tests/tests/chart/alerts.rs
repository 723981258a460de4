//! Each alert of the chart fires for what it is for, and for nothing else: promtool judges the rules by series made up for it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::monitoring::{ALL, find};
use crate::render;

const PROMETHEUS: &str = "github.com/prometheus/prometheus@v0.313.0";
const CASES: &str = include_str!("alerts.yaml");

fn rules() -> Value {
    let objects = render(&ALL).unwrap();
    let rule = find(&objects, "PrometheusRule", "albatross-operator").unwrap();
    rule.data["spec"].clone()
}

fn cases() -> Vec<Value> {
    let cases: Value = serde_yaml_ng::from_str(CASES).unwrap();
    cases.as_array().unwrap().clone()
}

#[test]
fn each_alert_fires_for_what_it_is_for_and_for_nothing_else() {
    promtool(&rules(), &cases()).unwrap();
}

#[test]
fn each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let declared = rules()["groups"][0]["rules"].take();
    let declared = declared.as_array().unwrap().iter();
    let declared: BTreeSet<_> = declared.map(|it| text(&it["alert"])).collect();
    let cases = cases();
    let tried = |fires: bool| -> BTreeSet<_> {
        let tests = cases.iter().flat_map(|case| {
            let tests = case["alert_rule_test"].as_array();
            tests.unwrap_or_else(|| panic!("{case}"))
        });
        let expected = |test: &&Value| test["exp_alerts"].as_array().map_or(0, Vec::len);
        let such = tests.filter(|test| (expected(test) > 0) == fires);
        such.map(|test| text(&test["alertname"])).collect()
    };
    assert_eq!(tried(true), declared, "fires");
    assert_eq!(tried(false), declared, "does not fire");
}

/// It is not by promtool's leave that all is as expected.
#[test]
fn a_rule_that_does_not_fire_is_told() {
    let mut rules = rules();
    for rule in rules["groups"][0]["rules"].as_array_mut().unwrap() {
        rule["for"] = json!("10h");
    }
    let said = promtool(&rules, &cases()).unwrap_err();
    for rule in rules["groups"][0]["rules"].as_array().unwrap() {
        let name = text(&rule["alert"]);
        assert!(said.contains(&name), "{name}: {said}");
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What is said of cases that come out otherwise than expected.
fn promtool(rules: &Value, cases: &[Value]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| {
        let file = folder.path().join(name);
        fs::write(&file, value.to_string()).unwrap();
        file
    };
    write("rules.yaml", rules);
    let tests = json!({
        "rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": cases,
    });
    run(&["check", "rules"], &folder.path().join("rules.yaml"))?;
    run(&["test", "rules"], &write("tests.yaml", &tests))
}

/// In the module itself, since one that replaces others cannot be run by its version alone.
fn run(task: &[&str], file: &Path) -> Result<(), String> {
    let go = |arguments: &[&str]| {
        let mut command = Command::new("go");
        command.args(arguments);
        // Its workspace names modules that are no part of it.
        command.envs([("CGO_ENABLED", "0"), ("GOWORK", "off")]);
        command
    };
    let downloaded = go(&["mod", "download", "-json", PROMETHEUS]).output();
    let downloaded =
        downloaded.unwrap_or_else(|error| panic!("Go 1.26 or newer is needed: {error}"));
    let said: Value = serde_json::from_slice(&downloaded.stdout).unwrap();
    let module = said["Dir"].as_str().unwrap_or_else(|| panic!("{said}"));
    // Where targets are found is of no concern here, and most of what would be compiled.
    let output = go(&["run", "-tags=remove_all_sd", "./cmd/promtool"])
        .args(task)
        .arg(file)
        .current_dir(module)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&said).into_owned()),
    }
}
