//! A key is replaced by another, with an overlap, and never before the runtime knows the new one.

use std::collections::BTreeMap;

use albatross_crds::ApiKeyStatus;
use albatross_crds::conditions::{ConditionType, is_true};
use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{CLIENTS, Key, Operator, Platform, Runtime};
use albatross_tests::wait::{recovered, until};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

const TENANT: &str = "turning";
const KEY: &str = "turning-acars";

type Texts = BTreeMap<String, String>;

/// A tenant with one key that is rotated.
struct Turning {
    platform: Platform,
    operator: Operator,
}

impl Turning {
    async fn new(rotation: Value) -> Self {
        let platform = Platform::new().await;
        platform.client_namespace().await;
        let operator = platform.operator().await;
        platform.declare(TENANT, json!({})).await;
        let spec = json!({ "rotation": rotation });
        platform.declare_key(KEY, TENANT, spec).await;
        platform.key_comes_to(KEY, "True", "Available").await;
        Self { platform, operator }
    }

    async fn change(&self, spec: Value) {
        self.platform.change_key(KEY, spec).await;
    }

    async fn status(&self) -> ApiKeyStatus {
        let key = self.platform.api_keys().get(KEY).await.unwrap();
        key.status.unwrap()
    }

    async fn secret(&self) -> Texts {
        self.platform.client_secret(KEY).await
    }

    /// The Secret once it holds another key than `before`, and the status says so.
    async fn rotated(&self, before: &Texts) -> Texts {
        recovered("there is another key", async || {
            let now = self.secret().await;
            now["keyId"] != before["keyId"]
                && self.status().await.key_id.as_ref() == Some(&now["keyId"])
        })
        .await;
        self.secret().await
    }

    /// Name of the Secret beside the operator.
    async fn stored_name(&self) -> String {
        let key = self.platform.api_keys().get(KEY).await.unwrap();
        format!("apikey-{}", key.uid().unwrap())
    }

    async fn stored(&self) -> Texts {
        let name = self.stored_name().await;
        self.platform.secret(NAMESPACE, &name).await.unwrap()
    }

    /// Makes what is stored older than it is.
    async fn store(&self, name: &str, text: &str) {
        let secrets: Api<Secret> = Api::namespaced(self.platform.client.clone(), NAMESPACE);
        let patch = Patch::Merge(json!({"stringData": {name: text}}));
        let stored = self.stored_name().await;
        let parameters = PatchParams::default();
        let changed = secrets.patch(&stored, &parameters, &patch).await;
        changed.unwrap();
    }

    fn runtime(&self, change: impl FnOnce(&mut Runtime)) {
        self.platform.runtimes.change(TENANT, change);
    }

    /// What the runtime knows of the key in a Secret.
    fn known(&self, secret: &Texts) -> Key {
        self.platform.runtimes.of(TENANT).keys[&secret["keyId"]].clone()
    }

    /// How many rotations people were told of.
    async fn told(&self) -> usize {
        let events: Api<Event> = Api::namespaced(self.platform.client.clone(), CLIENTS);
        let events = events.list(&ListParams::default()).await.unwrap();
        let is_it = |event: &&Event| {
            event.reason.as_deref() == Some("Rotated")
                && event.regarding.as_ref().and_then(|it| it.name.as_deref()) == Some(KEY)
        };
        events.items.iter().filter(is_it).count()
    }

    async fn end(self) {
        self.platform.remove_key(KEY).await;
        until("no key works", async || {
            self.platform.runtimes.of(TENANT).live_keys().is_empty()
        })
        .await;
        self.platform.remove(TENANT).await;
        self.operator.stop().await;
    }
}

#[tokio::test]
async fn another_trigger_rotates_once_and_the_old_key_expires_after_the_overlap() {
    let turning = Turning::new(json!({"trigger": "a", "overlap": "2h"})).await;
    let first = turning.secret().await;
    assert!(
        !first.contains_key("previousKey"),
        "the first value is no change"
    );
    let told = turning.told().await;
    turning.change(json!({"rotation": {"trigger": "b"}})).await;
    let second = turning.rotated(&first).await;
    assert_eq!(second["previousKey"], first["key"]);
    let status = turning.status().await;
    assert_eq!(status.previous_key_id.as_ref(), Some(&first["keyId"]));
    let end = status.previous_expires_at.unwrap().0;
    until("the runtime knows the old key's end", async || {
        turning.known(&first).expires_at.as_second() == end.as_second()
    })
    .await;
    let (old, new) = (turning.known(&first), turning.known(&second));
    assert!(!old.revoked && !new.revoked);
    assert!(new.expires_at.duration_since(old.expires_at) > SignedDuration::from_hours(24));
    assert_eq!(status.rotation_trigger.as_deref(), Some("b"));
    assert_eq!(status.next_rotation_at, None);
    until("people are told", async || turning.told().await > told).await;
    assert!(!turning.operator.said().contains(&second["key"]));

    // The same trigger again is none.
    let scopes = json!({"scopes": ["pireps:write", "track:write"]});
    turning.change(scopes).await;
    let platform = &turning.platform;
    platform.key_comes_to(KEY, "True", "Available").await;
    assert_eq!(turning.secret().await, second);

    // As if the overlap were over.
    let replaced = turning.stored().await["replaced"].clone();
    let mut replaced: Value = serde_json::from_str(&replaced).unwrap();
    let past = Timestamp::from_second(end.as_second()).unwrap() - SignedDuration::from_hours(3);
    replaced[0]["expiresAt"] = json!(past.to_string());
    turning.store("replaced", &replaced.to_string()).await;
    until("the old key is out of the Secret", async || {
        !turning.secret().await.contains_key("previousKey")
    })
    .await;
    until("the runtime knows that it has expired", async || {
        turning.known(&first).expires_at == past
    })
    .await;
    assert!(
        !turning.known(&first).revoked,
        "its flight goes on for a day"
    );
    assert_eq!(turning.secret().await["key"], second["key"]);
    until("the status says so", async || {
        turning.status().await.previous_key_id.is_none()
    })
    .await;
    turning.end().await;
}

#[tokio::test]
async fn a_key_is_replaced_when_it_is_time_and_not_once_it_is_revoked() {
    let turning = Turning::new(json!({"every": "30d", "overlap": "2h"})).await;
    let first = turning.secret().await;
    let month = SignedDuration::from_hours(30 * 24);
    let due = turning.status().await;
    let next = due.issued_at.clone().unwrap().0 + month;
    assert_eq!(due.next_rotation_at.unwrap().0, next);
    // As if it were old.
    let issued = due.issued_at.unwrap().0 - month;
    turning.store("issuedAt", &issued.to_string()).await;
    let second = turning.rotated(&first).await;
    assert_eq!(second["previousKey"], first["key"]);
    let status = turning.status().await;
    assert!(status.next_rotation_at.unwrap().0 >= next);

    turning.change(json!({"revoked": true})).await;
    let platform = &turning.platform;
    platform.key_comes_to(KEY, "False", "Revoked").await;
    turning.store("issuedAt", &issued.to_string()).await;
    until("neither key works", async || {
        platform.runtimes.of(TENANT).live_keys().is_empty()
    })
    .await;
    until("no rotation is announced", async || {
        let status = turning.status().await;
        status.next_rotation_at.is_none() && status.previous_key_id.is_none()
    })
    .await;
    assert!(!turning.stored().await.contains_key("next"));
    assert_eq!(turning.secret().await, second);
    turning.end().await;
}

#[tokio::test]
async fn nobody_waits_for_a_rotation_while_the_tenant_sleeps_or_is_suspended() {
    let turning = Turning::new(json!({"trigger": "a", "overlap": "2h"})).await;
    let platform = &turning.platform;
    let cases = [
        (
            "hibernate",
            json!("Now"),
            json!("Never"),
            "Ready",
            "Hibernated",
            "is hibernated",
        ),
        (
            "suspend",
            json!(true),
            json!(false),
            "Suspended",
            "Suspended",
            "is suspended",
        ),
    ];
    for (field, rests, goes_on, kind, reason, why) in cases {
        let before = turning.secret().await;
        platform.change(TENANT, json!({ field: rests })).await;
        platform.comes_to(TENANT, kind, "True", reason).await;
        turning
            .change(json!({"rotation": {"trigger": field}}))
            .await;
        recovered(&format!("the key says that its tenant {why}"), async || {
            let conditions = turning.status().await.conditions;
            let message = format!("waits: tenant {TENANT} {why}");
            is_true(&conditions, ConditionType::Ready)
                && !is_true(&conditions, ConditionType::Reconciling)
                && !is_true(&conditions, ConditionType::Stalled)
                && conditions.iter().any(|it| it.message.ends_with(&message))
        })
        .await;
        assert_eq!(turning.secret().await, before);
        platform.change(TENANT, json!({ field: goes_on })).await;
        let after = turning.rotated(&before).await;
        assert_eq!(after["previousKey"], before["key"]);
    }

    // The one that works meanwhile may come to its end before.
    platform.change(TENANT, json!({"suspend": true})).await;
    platform
        .comes_to(TENANT, "Suspended", "True", "Suspended")
        .await;
    turning
        .change(json!({"rotation": {"trigger": "late"}}))
        .await;
    until("another key is made", async || {
        turning.stored().await.contains_key("next")
    })
    .await;
    turning.store("expiresAt", "2020-01-01T00:00:00Z").await;
    let expired = platform.key_comes_to(KEY, "False", "Expired").await;
    let conditions = expired.status.unwrap().conditions;
    assert!(is_true(&conditions, ConditionType::Stalled));
    let message = &conditions[0].message;
    let why = format!("waits: tenant {TENANT} is suspended");
    assert!(message.ends_with(&why), "{message}");
    platform.change(TENANT, json!({"suspend": false})).await;
    platform.key_comes_to(KEY, "True", "Available").await;
    turning.end().await;
}

#[tokio::test]
async fn a_rotation_waits_for_a_runtime_that_is_away_or_takes_no_new_key() {
    let turning = Turning::new(json!({"trigger": "a", "overlap": "2h"})).await;
    let first = turning.secret().await;
    let before = turning.known(&first);
    turning.runtime(|runtime| runtime.is_away = true);
    turning.change(json!({"rotation": {"trigger": "b"}})).await;
    until("a key is ready to replace it", async || {
        turning.stored().await.contains_key("next")
    })
    .await;
    assert_eq!(turning.secret().await, first);
    turning.runtime(|runtime| {
        runtime.is_away = false;
        runtime.refuses_keys = true;
    });
    recovered("the refusal is told", async || {
        let conditions = turning.status().await.conditions;
        let mut told = conditions.iter().map(|condition| &condition.message);
        told.any(|message| message.ends_with("waits: no more keys"))
    })
    .await;
    let platform = &turning.platform;
    platform.key_comes_to(KEY, "True", "Available").await;
    assert_eq!(turning.secret().await, first);
    assert_eq!(
        turning.known(&first),
        before,
        "the old key has no other end"
    );

    turning.runtime(|runtime| runtime.refuses_keys = false);
    // A reason to tell the runtime now.
    let name = json!({"displayName": "Turning Airways"});
    platform.change(TENANT, name).await;
    let second = turning.rotated(&first).await;
    assert_eq!(second["previousKey"], first["key"]);
    turning.end().await;
}
