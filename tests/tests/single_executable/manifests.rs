//! What is declared is what runs: the manifests are followed without a restart.

use std::fs;

use albatross_tests::airline::Caller;
use albatross_tests::processes::Site;
use albatross_tests::wait::until;
use reqwest::Client;
use reqwest::header::HOST;
use serde_json::Value;

use crate::EXAMPLES;

fn change(site: &Site, file: &str, from: &str, to: &str) {
    let path = site.manifests().join(file);
    let text = fs::read_to_string(&path).expect("a manifest");
    assert!(text.contains(from), "{file} says {from}");
    fs::write(&path, text.replace(from, to)).expect("a written manifest");
}

/// Status of `GET /api/v1/airline`, and the name that it tells.
async fn airline(site: &Site, name: &str) -> (u16, String) {
    let url = format!("{}/api/v1/airline", site.address());
    let answer = Client::new().get(url).header(HOST, site.host(name));
    let answer = answer.send().await.expect("the process answers");
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.expect("JSON");
    let name = body["displayName"].as_str().unwrap_or_default().to_owned();
    (status, name)
}

#[tokio::test]
async fn a_changed_manifest_is_followed_and_a_wrong_one_changes_nothing() {
    let site = Site::of(&EXAMPLES);
    let process = site.up().await;
    change(
        &site,
        "10-skyways.yaml",
        "displayName: Skyways",
        "displayName: Skyways Virtual",
    );
    until("the new name is told", async || {
        airline(&site, "skyways").await == (200, "Skyways Virtual".to_owned())
    })
    .await;

    change(
        &site,
        "10-skyways.yaml",
        "icaoCode: SKY",
        "icaoCode: sky-ways",
    );
    until(
        "the wrong manifest is reported, and what it says",
        async || {
            let said = process.stderr();
            said.contains("spec.icaoCode") && said.contains("sky-ways")
        },
    )
    .await;
    assert_eq!(
        airline(&site, "skyways").await,
        (200, "Skyways Virtual".to_owned())
    );

    change(
        &site,
        "10-skyways.yaml",
        "icaoCode: sky-ways",
        "icaoCode: SKY",
    );
    fs::remove_file(site.manifests().join("11-nordwind.yaml")).expect("a manifest");
    fs::remove_file(site.manifests().join("21-nordwind-acars.yaml")).expect("a manifest");
    until("nordwind is gone", async || {
        airline(&site, "nordwind").await.0 == 404
    })
    .await;
    assert!(
        site.verify("nordwind").status.success(),
        "its data is retained"
    );
    assert_eq!(airline(&site, "skyways").await.0, 200);
}

#[tokio::test]
async fn a_declared_key_is_issued_and_an_undeclared_one_refused() {
    let site = Site::of(&EXAMPLES);
    let _process = site.up().await;
    let first = site.client("skyways");
    assert_eq!(first.status_of("/pireps").await, 200);

    let example = site.manifests().join("20-skyways-acars.yaml");
    let text = fs::read_to_string(&example).expect("a manifest");
    let second = text.replace("skyways-acars", "skyways-second");
    fs::write(site.manifests().join("22-second.yaml"), second).expect("a written manifest");
    let file = site.key_file("skyways", "skyways-second");
    until("the second key is issued", async || file.exists()).await;
    let key = fs::read_to_string(&file).expect("a key");
    let client = Caller::with_key(&site.address(), &site.host("skyways"), key.trim());
    until("the second key opens", async || {
        client.status_of("/pireps").await == 200
    })
    .await;

    fs::remove_file(&example).expect("a manifest");
    until("the first key is refused", async || {
        first.status_of("/pireps").await == 401
    })
    .await;
    assert_eq!(client.status_of("/pireps").await, 200);

    fs::write(&example, text).expect("a written manifest");
    until(
        "declared again it is another key, which opens",
        async || {
            site.key_file("skyways", "skyways-acars").exists()
                && site.client("skyways").status_of("/pireps").await == 200
        },
    )
    .await;
    assert_eq!(first.status_of("/pireps").await, 401);
}
