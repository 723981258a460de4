//! The single executable over SQLite, killed again and again.

use std::fs;

use albatross_tests::processes::Site;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::audit;
use crate::load::Load;
use crate::plan::Plan;

pub const SKYWAYS: [&str; 3] = [
    "00-namespace.yaml",
    "10-skyways.yaml",
    "20-skyways-acars.yaml",
];

pub fn tenant_key(site: &Site) -> [u8; 32] {
    let file = site.data().join("skyways/identity.json");
    let identity = fs::read(file).expect("an identity");
    let identity: Value = serde_json::from_slice(&identity).expect("JSON");
    let key = identity["tenantKey"].as_str().expect("a key");
    let key = BASE64_STANDARD.decode(key).expect("base64");
    key.try_into().expect("32 bytes")
}

#[tokio::test]
async fn the_single_executable_loses_nothing_when_it_is_killed() {
    let mut plan = Plan::new("up on SQLite", 40);
    let site = Site::of(&SKYWAYS);
    let mut process = site.up().await;
    let callers = [site.client("skyways")];
    let load = Load::begin(&callers, &mut plan.random);
    for _ in 0..plan.cycles {
        plan.moment(&load).await;
        process.kill();
        process = site.up().await;
    }
    let (flights, repeated) = load.end().await;
    audit::repeats(&callers, &flights).await;
    audit::visible(&callers[0], &flights).await;
    let ended = process.interrupt().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    let url = site.database_url("skyways");
    let events = audit::storage(&url, tenant_key(&site), &flights).await;
    plan.summary(&flights, repeated, events);
}
