//! Names as long as the API server takes them, all at once.

use albatross_tests::platform::{CLIENTS, Platform};
use albatross_tests::wait::until;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

/// A DNS name of so many characters.
fn dns_name(length: usize) -> String {
    let labels = vec!["n".repeat(63); length.div_ceil(64)].join(".");
    labels[labels.len() - length..].to_owned()
}

#[tokio::test]
async fn names_may_be_as_long_as_they_may_be() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    let tenant = "t".repeat(53);
    let (host, key) = (dns_name(253), dns_name(253));
    let email = |first: &str| format!("{first}{}@{}", "a".repeat(63), dns_name(189));
    let (ada, bea) = (email("a"), email("b"));
    let change = json!({
        "host": host, "exposure": {"ingress": {}},
        "displayName": "D".repeat(100),
        "admins": [{"email": ada, "displayName": "Ada"}, {"email": bea, "displayName": "Bea"}],
        "owners": [{"kind": "User", "name": "o".repeat(253)}],
    });
    assert_eq!(ada.len(), 254);
    platform.airline(&tenant, change).await;
    let namespace = albatross_crds::tenant_namespace(&tenant);
    let links = platform.secret(&namespace, "albatross-admin-links").await;
    assert_eq!(links.unwrap().len(), 2);
    let ingresses: Api<Ingress> = Api::namespaced(platform.client.clone(), &namespace);
    let ingress = ingresses.get("api").await.unwrap().spec.unwrap();
    assert_eq!(ingress.rules.unwrap()[0].host, Some(host));

    platform.declare_key(&key, &tenant, json!({})).await;
    platform.key_comes_to(&key, "True", "Available").await;
    let secret = platform.client_secret(&key).await;
    let runtime = platform.runtimes.of(&tenant);
    assert_eq!(runtime.live_keys(), [secret["keyId"].as_str()]);
    until("its events are there", async || {
        let events = Api::<Event>::namespaced(platform.client.clone(), CLIENTS);
        let told = events.list(&ListParams::default()).await.unwrap();
        let is_it = |event: &&Event| {
            let about = event.regarding.as_ref().and_then(|it| it.name.as_ref());
            about == Some(&key) && event.reason.as_deref() == Some("Available")
        };
        told.iter().filter(is_it).count() == 1
    })
    .await;
    platform.remove_key(&key).await;
    assert_eq!(platform.secret(CLIENTS, &key).await, None);
    platform.remove(&tenant).await;
    operator.stop().await;
}
