//! `albatross up`: from start to the first answer, and what it holds in memory while idle.

use std::fs;
use std::time::{Duration, Instant};

use albatross_tests::airline::Caller;
use albatross_tests::processes::{Process, Site};
use reqwest::Method;
use serde_json::json;

use crate::Effort;
use crate::processor::resident_mebibytes;
use crate::table::{Bar, Table, median};

/// Connections that nobody uses have been closed by then: a process that has nothing to do has settled.
const SETTLED: Duration = Duration::from_secs(75);
const TENANTS: usize = 100;
const EXAMPLE: &str = include_str!("../../../examples/10-skyways.yaml");

pub async fn measure(table: &mut Table, effort: Effort) {
    let site = Site::of(&[
        "00-namespace.yaml",
        "10-skyways.yaml",
        "20-skyways-acars.yaml",
    ]);
    // The first start makes files and keys; the figure is a later start's.
    let first = site.up().await;
    let link = link(&first.stdout());
    drop(first);
    let mut milliseconds = Vec::new();
    for _ in 0..effort.rounds {
        let start = Instant::now();
        let process = site.up().await;
        milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
        drop(process);
    }
    let what = "up, one airline: start to the first answer";
    table.figure(what, median(&milliseconds), "ms", Bar::AtMost(150.0));
    let idle = settled(&site.up().await).await;
    let what = "up, one airline: resident while idle, before any log-in";
    table.figure(what, idle, "MiB", Bar::AtMost(25.0));
    let what = "up, one airline: resident while idle, after a log-in and a password";
    let bar = Bar::AtMost(45.0);
    table.figure(what, after_log_in(&site, &link).await, "MiB", bar);
    let what = format!("up, {TENANTS} idle airlines: resident for each further one");
    let each = (with_many().await - idle) / (TENANTS - 1) as f64;
    table.figure(&what, each, "MiB", Bar::AtMost(1.0));
}

/// The administrator follows the link and chooses a password, which is hashed.
async fn after_log_in(site: &Site, link: &str) -> f64 {
    let process = site.up().await;
    let host = site.host("skyways");
    let admin = Caller::by_link(&site.address(), &host, link).await;
    let chosen = admin.request(Method::PUT, "/me/password");
    let chosen = chosen.json(&json!({"newPassword": "correct horse battery staple"}));
    let answer = chosen.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    settled(&process).await
}

/// What one process with many airlines holds.
async fn with_many() -> f64 {
    let site = Site::of(&["00-namespace.yaml"]);
    for n in 0..TENANTS {
        // Three letters of its own each.
        let letters = [n / 10, n % 10].map(|it| char::from(b'A' + it as u8));
        let code = format!("icaoCode: X{}{}", letters[0], letters[1]);
        let manifest = EXAMPLE.replace("skyways", &format!("airline{n}"));
        let manifest = manifest.replace("icaoCode: SKY", &code);
        fs::write(site.manifests().join(format!("{n}.yaml")), manifest).unwrap();
    }
    drop(site.up().await);
    settled(&site.up().await).await
}

/// What it holds once it has had nothing to do for a while, in MiB.
pub async fn settled(process: &Process) -> f64 {
    tokio::time::sleep(SETTLED).await;
    resident_mebibytes(process.id())
}

/// The one-time link that the first start prints.
fn link(said: &str) -> String {
    let link = said
        .split_whitespace()
        .find(|word| word.contains("/welcome#"));
    link.unwrap_or_else(|| panic!("no link: {said}")).to_owned()
}
