//! The five minutes on a laptop: start, file, log in, accept, stop, and find everything again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use albatross_tests::airline::Caller;
use albatross_tests::processes::{Process, Site};
use albatross_tests::wait::until;
use reqwest::header::{HOST, IF_MATCH};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::EXAMPLES;

async fn ask(site: &Site, host: &str, path: &str) -> Response {
    let url = format!("{}{path}", site.address());
    let answer = Client::new().get(url).header(HOST, host).send().await;
    answer.expect("the process answers")
}

/// The one-time link that was printed for an airline's administrator.
fn link(process: &Process, site: &Site, airline: &str) -> String {
    let said = process.stdout();
    let begin = format!("http://{}/", site.host(airline));
    let found = said
        .split_whitespace()
        .find(|word| word.starts_with(&begin) && word.contains('#'));
    found
        .unwrap_or_else(|| panic!("no link for {airline} in {said}"))
        .to_owned()
}

/// Files the recorded flight by the example client; returns the PIREP's id.
fn file_a_flight(site: &Site, airline: &str, key: &Path) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/file-a-flight");
    let output = Command::new(script)
        .args(["--url", &format!("http://{}", site.host(airline))])
        .arg("--key")
        .arg(key)
        .output()
        .expect("Node runs the example client");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the flight was not filed: {said}");
    let url = String::from_utf8_lossy(&output.stdout);
    url.trim().rsplit('/').next().unwrap_or_default().to_owned()
}

fn ids(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("a list has items");
    items
        .iter()
        .filter_map(|item| item["id"].as_str())
        .collect()
}

/// What `albatross verify` says of both logs.
fn verified(site: &Site) -> Vec<String> {
    let airlines = ["skyways", "nordwind"];
    let verified = airlines.map(|airline| {
        let output = site.verify(airline);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{airline}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    verified.into()
}

#[tokio::test]
async fn airlines_are_told_apart_by_host_and_their_keys_are_the_owners_alone() {
    let site = Site::of(&EXAMPLES);
    let process = site.up().await;
    for (airline, name) in [("skyways", "Skyways"), ("nordwind", "Nordwind")] {
        let host = site.host(airline);
        let known = ask(&site, &host, "/api/v1/airline").await;
        let known: Value = known.json().await.expect("JSON");
        assert_eq!(known["displayName"], name);
        let page = ask(&site, &host, "/").await;
        assert_eq!(page.status(), StatusCode::OK, "the page of {airline}");

        let file = site.key_file(airline, &format!("{airline}-acars"));
        let mode = fs::metadata(&file).expect("a key file").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let said = process.stdout();
        assert!(
            said.contains(&*file.to_string_lossy()),
            "{said} does not say where the key is"
        );
        let key = fs::read_to_string(&file).expect("a key");
        assert!(!said.contains(key.trim()), "the key itself was printed");
    }
    let elsewhere = ask(&site, "elsewhere.localhost", "/api/v1/airline").await;
    assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND);
    let kind = elsewhere.headers()["content-type"].to_str().expect("text");
    assert_eq!(kind, "application/problem+json");
}

#[tokio::test]
async fn a_flight_is_filed_accepted_once_and_found_again_after_a_restart() {
    let site = Site::of(&EXAMPLES);
    let process = site.up().await;
    let file = site.key_file("skyways", "skyways-acars");
    let id = file_a_flight(&site, "skyways", &file);
    let (path, pilot) = (format!("/pireps/{id}"), site.client("skyways"));
    // A read that names no position may be a moment behind the write.
    until("the flight is submitted", async || {
        pilot.status_of(&path).await == 200 && pilot.get(&path).await["state"] == "Submitted"
    })
    .await;
    let pirep = pilot.get(&path).await;
    assert_eq!(pirep["track"]["positions"], 2_110);

    let link = link(&process, &site, "skyways");
    let admin = Caller::by_link(&site.address(), &site.host("skyways"), &link).await;
    let version = pirep["version"].as_i64().expect("an entity has a version");
    assert_eq!(admin.accept(&id, version).await["state"], "Accepted");
    let second = admin.request(Method::POST, &format!("{path}/reject"));
    let second = second
        .header(IF_MATCH, format!("\"{version}\""))
        .json(&json!({"reason": "too late"}))
        .send()
        .await
        .expect("an answer");
    assert_eq!(second.status(), StatusCode::PRECONDITION_FAILED);

    let neighbour = site.client("nordwind");
    assert!(ids(&neighbour.get("/pireps").await).is_empty());
    assert_eq!(neighbour.status_of(&path).await, 404);
    let key = fs::read_to_string(&file).expect("a key");
    let stranger = Caller::with_key(&site.address(), &site.host("nordwind"), key.trim());
    assert_eq!(stranger.status_of("/pireps").await, 401);

    until("the verdict is visible", async || {
        pilot.get(&path).await["state"] == "Accepted"
    })
    .await;
    let history = pilot.get(&format!("{path}/history")).await;
    let track = pilot.get(&format!("{path}/track")).await;
    let ended = process.interrupt().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);

    let process = site.up().await;
    assert_eq!(fs::read_to_string(&file).expect("a key"), key);
    assert_eq!(pilot.get(&format!("{path}/history")).await, history);
    assert_eq!(pilot.get(&format!("{path}/track")).await, track);
    assert_eq!(ids(&pilot.get("/pireps?state=Accepted").await), [&id]);
    let me = admin.get("/me").await;
    assert_eq!(me["user"]["displayName"], "Ada Lovelace");
    let ended = process.interrupt().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);

    // That one may have noted that the link was used; nothing is left to note for the next.
    let log = verified(&site);
    let ended = site.up().await.interrupt().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(verified(&site), log, "a start writes nothing");
}
