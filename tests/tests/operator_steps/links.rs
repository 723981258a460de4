//! An admin's one-time link is there until it has been used, and then for nobody any more.

use std::collections::BTreeMap;

use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::Platform;
use albatross_tests::wait::until;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

const TENANT: &str = "welcomed";
const HOME: &str = "albatross-welcomed";
const ADA: &str = "ada.at.skyways.example";
const GRACE: &str = "grace.at.skyways.example";
const OPS: &str = "ops.at.platform.example";

fn admins(names: &[&str]) -> Value {
    let admins = names.iter().map(|name| {
        let email = format!("{name}@skyways.example");
        json!({"email": email, "displayName": name})
    });
    json!({"admins": admins.collect::<Vec<_>>()})
}

/// The airline's, by the key of their address.
async fn links(platform: &Platform) -> BTreeMap<String, String> {
    let links = platform.secret(HOME, "albatross-admin-links").await;
    links.unwrap()
}

async fn links_of_the_platform(platform: &Platform) -> BTreeMap<String, String> {
    let name = format!("platform-links-{TENANT}");
    platform.secret(NAMESPACE, &name).await.unwrap()
}

/// Whose links the runtime was told of.
fn told(platform: &Platform) -> Vec<String> {
    let state = platform.runtimes.of(TENANT).state;
    let admins = state["admins"].as_array().unwrap();
    let open = admins.iter().filter(|admin| !admin["loginLink"].is_null());
    open.map(|admin| admin["email"].as_str().unwrap().to_owned())
        .collect()
}

/// The runtime hears of log-ins by itself, the operator when it asks; this is a reason to ask now.
async fn log_in(platform: &Platform, email: &str) {
    platform.runtimes.change(TENANT, |runtime| {
        runtime.logged_in.insert(email.to_owned());
    });
    let touch = json!({"metadata": {"annotations": {"tests.example/touched-for": email.replace('@', ".")}}});
    let services: Api<Service> = Api::namespaced(platform.client.clone(), HOME);
    let touched = services
        .patch("api", &PatchParams::default(), &Patch::Merge(&touch))
        .await;
    touched.unwrap();
}

#[tokio::test]
async fn a_link_that_was_used_is_gone_for_good_and_the_others_stay_as_they_are() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline(TENANT, admins(&["ada", "grace"])).await;
    let before = links(&platform).await;
    assert_eq!(before.keys().collect::<Vec<_>>(), [ADA, GRACE]);
    let of_the_platform = links_of_the_platform(&platform).await;
    assert_eq!(of_the_platform.keys().collect::<Vec<_>>(), [OPS]);

    log_in(&platform, "ada@skyways.example").await;
    until("ada's link is gone", async || {
        !links(&platform).await.contains_key(ADA)
    })
    .await;
    assert_eq!(
        links(&platform).await,
        BTreeMap::from([(GRACE.to_owned(), before[GRACE].clone())])
    );
    until("the runtime is told so", async || {
        told(&platform) == ["grace@skyways.example", "ops@platform.example"]
    })
    .await;

    // Neither a database from before the log-in nor another operator brings it back.
    operator.stop().await;
    platform
        .runtimes
        .change(TENANT, |runtime| runtime.logged_in.clear());
    let operator = platform.operator().await;
    platform
        .change(TENANT, admins(&["ada", "grace", "joan"]))
        .await;
    platform.ready(TENANT).await;
    let joan = "joan.at.skyways.example".to_owned();
    let now = links(&platform).await;
    assert_eq!(now.keys().collect::<Vec<_>>(), [GRACE, &joan]);
    assert_eq!(now[GRACE], before[GRACE]);

    for email in [
        "grace@skyways.example",
        "joan@skyways.example",
        "ops@platform.example",
    ] {
        log_in(&platform, email).await;
    }
    until("no link is left", async || {
        links(&platform).await.is_empty() && links_of_the_platform(&platform).await.is_empty()
    })
    .await;
    until("the runtime knows of none", async || {
        told(&platform).is_empty()
    })
    .await;
    platform.ready(TENANT).await;
    platform.remove(TENANT).await;
    operator.stop().await;
}

/// The configuration is read at the start.
#[tokio::test]
async fn links_of_the_platform_go_with_its_last_admin() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline(TENANT, json!({})).await;
    assert!(!links_of_the_platform(&platform).await.is_empty());
    operator.stop().await;
    platform.configure(|configuration| configuration["platformAdmins"] = json!([]));
    let operator = platform.operator().await;
    until("the links are gone", async || {
        let name = format!("platform-links-{TENANT}");
        platform.secret(NAMESPACE, &name).await.is_none()
    })
    .await;
    platform.remove(TENANT).await;
    operator.stop().await;
}
