//! A key that reaches its end, by its length of life or by a date: it is Expired, for good, and no other is made of it.

use std::collections::BTreeMap;

use albatross_crds::ApiKey;
use albatross_crds::conditions::{ConditionType, find, is_true};
use albatross_operator::context::system::{Clock, SystemClock};
use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{CLIENTS, Operator, Platform};
use albatross_tests::wait::until;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

const TENANT: &str = "ending";
const KEYS: [&str; 2] = ["by-length", "by-date"];

async fn secrets(platform: &Platform) -> Vec<Option<BTreeMap<String, String>>> {
    let [one, other] = KEYS.map(|key| platform.secret(CLIENTS, key));
    vec![one.await, other.await]
}

/// Both, once they have reached their end.
async fn ended(platform: &Platform) -> Vec<ApiKey> {
    let mut keys = Vec::new();
    for name in KEYS {
        let key = platform.key_comes_to(name, "False", "Expired").await;
        let conditions = &key.status.as_ref().unwrap().conditions;
        assert!(is_true(conditions, ConditionType::Stalled), "{name}");
        keys.push(key);
    }
    keys
}

async fn looked(operator: &Operator) {
    until("the keys have been looked at", async || {
        operator.metric("reconciles_total", &["ApiKey"]).await >= 2.0
    })
    .await;
}

#[tokio::test]
async fn a_key_ends_when_its_time_has_come_and_stays_so() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    platform.airline(TENANT, json!({})).await;
    let spec = json!({"ttl": "1m"});
    platform.declare_key("by-length", TENANT, spec).await;
    let by_length = platform
        .key_comes_to("by-length", "True", "Available")
        .await;
    let status = by_length.status.unwrap();
    let end = status.expires_at.unwrap();
    let life = end.0.duration_since(status.issued_at.unwrap().0);
    assert_eq!(life.as_secs(), 60);
    // A date of its own: what is left of the other's minute may be nothing.
    let date = (SystemClock.now() + SignedDuration::from_mins(1)).as_second();
    let date = Timestamp::from_second(date).unwrap();
    let spec = json!({"ttl": null, "expiresAt": date.to_string()});
    platform.declare_key("by-date", TENANT, spec).await;
    let by_date = platform.key_comes_to("by-date", "True", "Available").await;
    let id = by_date.status.unwrap().key_id.unwrap();
    let runtime = platform.runtimes.of(TENANT);
    assert_eq!(runtime.keys[&id].expires_at, date);

    let published = secrets(&platform).await;
    let after = ended(&platform).await;
    operator.stop().await;
    let operator = platform.operator().await;
    looked(&operator).await;
    assert_eq!(ended(&platform).await, after, "nothing is written again");
    assert_eq!(secrets(&platform).await, published);
    assert_eq!(platform.runtimes.of(TENANT).keys.len(), 2);

    for key in KEYS {
        platform.remove_key(key).await;
    }
    assert_eq!(secrets(&platform).await, [None, None]);
    platform.declare_key("by-date", TENANT, json!({})).await;
    platform.key_comes_to("by-date", "True", "Available").await;
    assert_ne!(platform.client_secret("by-date").await["keyId"], id);
    platform.remove_key("by-date").await;
    platform.remove(TENANT).await;
    operator.stop().await;
}

#[tokio::test]
async fn an_end_that_is_moved_is_that_of_the_key_that_works() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    platform.airline(TENANT, json!({})).await;
    let end = |hours: i64| {
        let end = SystemClock.now() + SignedDuration::from_hours(hours);
        Timestamp::from_second(end.as_second()).unwrap()
    };
    let ends = async |end: Timestamp| {
        let spec = json!({"expiresAt": end.to_string()});
        platform.change_key("moved", spec).await;
        until(&format!("the key is known to end at {end}"), async || {
            let keys = platform.runtimes.of(TENANT).keys;
            keys.len() == 1 && keys.values().all(|key| key.expires_at == end)
        })
        .await;
    };
    let first = end(48);
    let spec = json!({"ttl": null, "expiresAt": first.to_string()});
    platform.declare_key("moved", TENANT, spec).await;
    platform.key_comes_to("moved", "True", "Available").await;
    let published = platform.client_secret("moved").await;
    // Whoever is not told keeps to what was told.
    platform.change(TENANT, json!({"suspend": true})).await;
    platform
        .comes_to(TENANT, "Suspended", "True", "Suspended")
        .await;
    let spec = json!({"expiresAt": end(-1).to_string()});
    platform.change_key("moved", spec).await;
    until("it is said that the key works", async || {
        let key = platform.api_keys().get("moved").await.unwrap();
        let conditions = &key.status.as_ref().unwrap().conditions;
        let ready = find(conditions, ConditionType::Ready).unwrap();
        ready.message.contains("told of another one") && ready.status == "True"
    })
    .await;
    assert_eq!(platform.runtimes.of(TENANT).live_keys().len(), 1);
    platform.change(TENANT, json!({"suspend": false})).await;
    platform.key_comes_to("moved", "False", "Expired").await;
    ends(end(1)).await;
    let sooner = platform.key_comes_to("moved", "True", "Available").await;
    assert!(sooner.status.unwrap().expires_at.unwrap().0 < first);
    ends(end(-1)).await;
    platform.key_comes_to("moved", "False", "Expired").await;
    ends(end(72)).await;
    platform.key_comes_to("moved", "True", "Available").await;
    assert_eq!(platform.client_secret("moved").await, published);
    platform.remove_key("moved").await;
    platform.remove(TENANT).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_key_whose_time_goes_by_before_anybody_has_it_is_made_anew() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    platform.airline(TENANT, json!({})).await;
    platform.change(TENANT, json!({"suspend": true})).await;
    platform
        .comes_to(TENANT, "Suspended", "True", "Suspended")
        .await;
    let key = platform
        .declare_key("late", TENANT, json!({"ttl": "1h"}))
        .await;
    platform
        .key_comes_to("late", "False", "WaitingForTenant")
        .await;
    let stored = format!("apikey-{}", key.uid().unwrap());
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), NAMESPACE);
    let past = json!({"stringData": {"expiresAt": "2020-01-01T00:00:00Z"}});
    let (how, past) = (PatchParams::default(), Patch::Merge(&past));
    let aged = secrets.patch(&stored, &how, &past).await;
    aged.unwrap();
    platform.change(TENANT, json!({"suspend": false})).await;
    let issued = platform.key_comes_to("late", "True", "Available").await;
    assert!(issued.status.unwrap().expires_at.unwrap().0 > SystemClock.now());
    platform.remove_key("late").await;
    platform.remove(TENANT).await;
    operator.stop().await;
}
