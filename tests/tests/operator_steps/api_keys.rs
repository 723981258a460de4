//! A key's way into its Secret, and its end.

use std::collections::BTreeMap;

use albatross_operator::context::token;
use albatross_tests::can_i::may;
use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{CLIENTS, Platform};
use albatross_tests::wait::until;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use secrecy::SecretString;
use serde_json::{Value, json};

async fn platform(tenant: &str) -> Platform {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    platform.declare(tenant, json!({})).await;
    platform
}

/// The key in the Secret is the one and only key of the runtime.
async fn the_key_works(platform: &Platform, tenant: &str, secret: &BTreeMap<String, String>) {
    let runtime = platform.runtimes.of(tenant);
    assert_eq!(runtime.live_keys(), [secret["keyId"].as_str()]);
    let pepper = platform.record(tenant).await["pepper"].clone();
    let pepper = BASE64_STANDARD.decode(pepper).unwrap();
    let key = SecretString::from(secret["key"].clone());
    let known = &runtime.keys[&secret["keyId"]].digest;
    assert_eq!(*known, token::api_key_digest(&pepper, &key));
}

#[tokio::test]
async fn a_key_is_in_its_secret_and_nowhere_else() {
    let platform = platform("keyed").await;
    let operator = platform.operator().await;
    platform
        .declare_key("keyed-acars", "keyed", json!({}))
        .await;
    let declared = platform
        .key_comes_to("keyed-acars", "True", "Available")
        .await;
    let secret = platform.client_secret("keyed-acars").await;
    assert_eq!(secret["endpoint"], "http://api.albatross-keyed.svc:8080");
    the_key_works(&platform, "keyed", &secret).await;
    let status = declared.status.as_ref().unwrap();
    assert_eq!(status.key_id.as_ref(), Some(&secret["keyId"]));
    assert!(status.issued_at < status.expires_at);

    let key = &secret["key"];
    let events: Api<Event> = Api::all(platform.client.clone());
    let events = events.list(&ListParams::default()).await.unwrap();
    assert!(!serde_json::to_string(&events).unwrap().contains(key));
    assert!(!serde_json::to_string(&declared).unwrap().contains(key));
    let tenant = platform.tenant("keyed").await;
    assert!(!serde_json::to_string(&tenant).unwrap().contains(key));
    assert!(!operator.said().contains(key));

    platform.remove_key("keyed-acars").await;
    assert_eq!(platform.secret(CLIENTS, "keyed-acars").await, None);
    until("the key no longer works", async || {
        platform.runtimes.of("keyed").live_keys().is_empty()
    })
    .await;
    platform.remove("keyed").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_secret_that_was_deleted_by_hand_means_a_new_key_and_an_event() {
    let platform = platform("rekeyed").await;
    let operator = platform.operator().await;
    let key = platform
        .declare_key("rekeyed-acars", "rekeyed", json!({}))
        .await;
    platform
        .key_comes_to("rekeyed-acars", "True", "Available")
        .await;
    let before = platform.client_secret("rekeyed-acars").await;
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), CLIENTS);
    let deleted = secrets
        .delete("rekeyed-acars", &DeleteParams::default())
        .await;
    deleted.unwrap();
    look_again(&platform, &key.uid().unwrap()).await;
    until("there is a Secret again", async || {
        platform.secret(CLIENTS, "rekeyed-acars").await.is_some()
    })
    .await;
    platform
        .key_comes_to("rekeyed-acars", "True", "Available")
        .await;
    let after = platform.client_secret("rekeyed-acars").await;
    assert_ne!(after["key"], before["key"]);
    the_key_works(&platform, "rekeyed", &after).await;
    let events: Api<Event> = Api::namespaced(platform.client.clone(), CLIENTS);
    let told = events.list(&ListParams::default()).await.unwrap();
    let is_it = |event: &Event| event.reason.as_deref() == Some("SecretDeleted");
    assert!(told.items.iter().any(is_it), "{told:?}");
    platform.remove_key("rekeyed-acars").await;
    platform.remove("rekeyed").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_secret_that_was_changed_by_hand_is_put_back_with_the_key_that_it_had() {
    let platform = platform("forged").await;
    let operator = platform.operator().await;
    let key = platform
        .declare_key("forged-acars", "forged", json!({}))
        .await;
    platform
        .key_comes_to("forged-acars", "True", "Available")
        .await;
    let before = platform.client_secret("forged-acars").await;
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), CLIENTS);
    let data = json!({"key": "albk_forged", "endpoint": "http://elsewhere.example"});
    let (parameters, forged) = (PatchParams::default(), json!({ "stringData": data }));
    let changed = secrets
        .patch("forged-acars", &parameters, &Patch::Merge(&forged))
        .await;
    changed.unwrap();
    let changed = platform.client_secret("forged-acars").await;
    assert_eq!(changed["endpoint"], "http://elsewhere.example");
    look_again(&platform, &key.uid().unwrap()).await;
    until("the Secret is as it was", async || {
        platform.client_secret("forged-acars").await == before
    })
    .await;
    let declared = platform
        .key_comes_to("forged-acars", "True", "Available")
        .await;
    let status = declared.status.unwrap();
    assert_eq!(status.key_id.as_ref(), Some(&before["keyId"]));
    the_key_works(&platform, "forged", &before).await;
    let registered = platform.runtimes.of("forged").keys;
    assert_eq!(registered.keys().collect::<Vec<_>>(), [&before["keyId"]]);
    platform.remove_key("forged-acars").await;
    platform.remove("forged").await;
    operator.stop().await;
}

/// Secrets of others are not watched, but looked at every few minutes; this is a reason to look now.
async fn look_again(platform: &Platform, uid: &str) {
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), NAMESPACE);
    let touch = json!({"metadata": {"annotations": {"tests.example/touched": "yes"}}});
    let touched = secrets
        .patch(
            &format!("apikey-{uid}"),
            &PatchParams::default(),
            &Patch::Merge(&touch),
        )
        .await;
    touched.unwrap();
}

#[tokio::test]
async fn the_right_to_write_where_keys_are_goes_with_the_last_of_them() {
    let platform = platform("modest").await;
    let operator = platform.operator().await;
    let bindings: Api<RoleBinding> = Api::namespaced(platform.client.clone(), CLIENTS);
    let is_bound = async || {
        let found = bindings.get_opt("albatross-operator").await;
        found.unwrap().is_some()
    };
    for key in ["first", "second", "third"] {
        platform.declare_key(key, "modest", json!({})).await;
        platform.key_comes_to(key, "True", "Available").await;
    }
    // One that has never been admitted needs nothing.
    let staff = json!({"scopes": ["users"]});
    platform.declare_key("greedy", "modest", staff).await;
    platform
        .key_comes_to("greedy", "False", "ScopesNotAllowed")
        .await;
    platform.remove_key("first").await;
    assert!(is_bound().await);
    // Of two at once, one is the last.
    tokio::join!(platform.remove_key("second"), platform.remove_key("third"));
    assert!(!is_bound().await);
    for key in ["second", "third"] {
        assert_eq!(platform.secret(CLIENTS, key).await, None);
    }
    platform.remove_key("greedy").await;

    platform.declare_key("again", "modest", json!({})).await;
    platform.key_comes_to("again", "True", "Available").await;
    assert!(is_bound().await);
    // It goes without the tenant too.
    platform.remove("modest").await;
    platform
        .key_comes_to("again", "False", "TenantNotFound")
        .await;
    platform.remove_key("again").await;
    assert!(!is_bound().await);
    operator.stop().await;
}

#[tokio::test]
async fn a_key_created_and_deleted_at_once_leaves_no_right_behind() {
    let platform = platform("hasty").await;
    let operator = platform.operator().await;
    platform.ready("hasty").await;
    let bindings: Api<RoleBinding> = Api::namespaced(platform.client.clone(), CLIENTS);
    for round in 0..5 {
        platform.declare_key("hasty", "hasty", json!({})).await;
        // The authorizer hears of the binding a moment later.
        until("the operator has bound itself", async || {
            let found = bindings.get_opt("albatross-operator").await;
            found.unwrap().is_some()
        })
        .await;
        platform.remove_key("hasty").await;
        let left = bindings.get_opt("albatross-operator").await.unwrap();
        assert_eq!(left, None, "round {round}");
    }
    platform.remove("hasty").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_key_that_begins_while_the_last_one_ends_has_its_right() {
    let platform = platform("relayed").await;
    let operator = platform.operator().await;
    let bindings: Api<RoleBinding> = Api::namespaced(platform.client.clone(), CLIENTS);
    platform.declare_key("runner-0", "relayed", json!({})).await;
    platform.key_comes_to("runner-0", "True", "Available").await;
    for round in 1..=5 {
        let (last, next) = (format!("runner-{}", round - 1), format!("runner-{round}"));
        tokio::join!(platform.remove_key(&last), async {
            platform.declare_key(&next, "relayed", json!({})).await;
            platform.key_comes_to(&next, "True", "Available").await;
        });
        let bound = bindings.get_opt("albatross-operator").await.unwrap();
        assert!(bound.is_some(), "round {round}");
    }
    platform.remove_key("runner-5").await;
    platform.remove("relayed").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_key_goes_with_its_secret_though_somebody_took_the_right_to_delete_it() {
    let platform = platform("disarmed").await;
    let operator = platform.operator().await;
    let key = "disarmed-acars";
    platform.declare_key(key, "disarmed", json!({})).await;
    platform.key_comes_to(key, "True", "Available").await;
    let bindings: Api<RoleBinding> = Api::namespaced(platform.client.clone(), CLIENTS);
    let account = format!("system:serviceaccount:{NAMESPACE}:albatross-operator");
    let account = platform.api_server.client_as(&account);
    let question = format!("get secrets {CLIENTS} {key}");
    until("the operator may not read the Secret", async || {
        // It may have bound itself again before.
        let _gone = bindings
            .delete("albatross-operator", &DeleteParams::default())
            .await;
        !may(&account, &question).await
    })
    .await;
    platform.remove_key(key).await;
    assert_eq!(platform.secret(CLIENTS, key).await, None);
    assert_eq!(platform.pending_secrets().await, [""; 0]);
    let left = bindings.get_opt("albatross-operator").await;
    assert_eq!(left.unwrap(), None);
    // As a tool does that has it from git.
    platform.declare_key(key, "disarmed", json!({})).await;
    platform.key_comes_to(key, "True", "Available").await;
    platform.remove_key(key).await;
    platform.remove("disarmed").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_clients_namespace_that_is_labelled_as_a_tenants_is_a_clients() {
    let platform = platform("labelled").await;
    let operator = platform.operator().await;
    let namespaces: Api<Namespace> = Api::all(platform.client.clone());
    let label = async |tenant: Option<&str>| {
        let labels = json!({"metadata": {"labels": {"albatross.aero/tenant": tenant}}});
        let (parameters, labels) = (PatchParams::default(), Patch::Merge(labels));
        let changed = namespaces.patch(CLIENTS, &parameters, &labels).await;
        changed.unwrap();
    };
    label(Some("labelled")).await;
    let key = "labelled-acars";
    platform.declare_key(key, "labelled", json!({})).await;
    platform.key_comes_to(key, "True", "Available").await;
    platform.remove_key(key).await;
    label(None).await;
    platform.remove("labelled").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_key_acts_for_a_user_whom_the_tenant_allows() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    let clients = json!({"matchLabels": {"clients": "yes"}});
    let allow = json!([{"namespaceSelector": clients, "users": ["ada@skyways.example"]}]);
    platform
        .airline("acting", json!({"apiKeys": {"allow": allow}}))
        .await;
    let ada = json!({"user": "Ada@skyways.example"});
    for (key, change) in [("hers", ada), ("its-own", json!({}))] {
        platform.declare_key(key, "acting", change).await;
        platform.key_comes_to(key, "True", "Available").await;
    }
    let state = platform.runtimes.of("acting").state;
    for (key, user) in [
        ("hers", json!("ada@skyways.example")),
        ("its-own", Value::Null),
    ] {
        let id = platform.client_secret(key).await["keyId"].clone();
        let mut told = state["apiKeys"].as_array().unwrap().iter();
        let told = told.find(|told| told["keyId"] == id).unwrap();
        assert_eq!(told["user"], user);
        assert_eq!(told["machineUser"], format!("{CLIENTS}/{key}"));
        assert_eq!(told["scopes"], json!(["pireps:write"]));
    }
    for key in ["hers", "its-own"] {
        platform.remove_key(key).await;
    }
    platform.remove("acting").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_left_alone() {
    let platform = platform("contested").await;
    let operator = platform.operator().await;
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), CLIENTS);
    let foreign = json!({"metadata": {"name": "taken"}, "stringData": {"key": "precious"}});
    let foreign: Secret = serde_json::from_value(foreign).unwrap();
    let foreign = secrets
        .create(&PostParams::default(), &foreign)
        .await
        .unwrap();
    platform.declare_key("taken", "contested", json!({})).await;
    platform
        .key_comes_to("taken", "False", "SecretNameConflict")
        .await;
    assert_eq!(secrets.get("taken").await.unwrap(), foreign);

    platform.declare_key("winner", "contested", json!({})).await;
    platform.key_comes_to("winner", "True", "Available").await;
    let won = platform.client_secret("winner").await;
    let same = json!({"secretName": "winner"});
    platform.declare_key("loser", "contested", same).await;
    platform
        .key_comes_to("loser", "False", "SecretNameConflict")
        .await;
    assert_eq!(platform.client_secret("winner").await, won);
    the_key_works(&platform, "contested", &won).await;
    for key in ["taken", "loser"] {
        platform.remove_key(key).await;
    }
    assert_eq!(secrets.get("taken").await.unwrap(), foreign);
    assert_eq!(platform.client_secret("winner").await, won);
    the_key_works(&platform, "contested", &won).await;
    platform.remove_key("winner").await;
    secrets
        .delete("taken", &DeleteParams::default())
        .await
        .unwrap();
    platform.remove("contested").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_key_that_the_tenant_does_not_allow_is_refused_by_its_reason() {
    let platform = platform("strict").await;
    let operator = platform.operator().await;
    platform.ready("strict").await;
    for (name, change, reason) in [
        ("staff", json!({"scopes": ["users"]}), "ScopesNotAllowed"),
        (
            "ada",
            json!({"user": "ada@skyways.example"}),
            "UserNotAllowed",
        ),
        (
            "lost",
            json!({"tenantRef": {"name": "nobody"}}),
            "TenantNotFound",
        ),
    ] {
        platform.declare_key(name, "strict", change).await;
        platform.key_comes_to(name, "False", reason).await;
        assert_eq!(platform.secret(CLIENTS, name).await, None);
        platform.remove_key(name).await;
    }
    platform.declare_key("fine", "strict", json!({})).await;
    platform.key_comes_to("fine", "True", "Available").await;
    platform.change_key("fine", json!({"revoked": true})).await;
    platform.key_comes_to("fine", "False", "Revoked").await;
    until("the key no longer works", async || {
        platform.runtimes.of("strict").live_keys().is_empty()
    })
    .await;
    platform.remove_key("fine").await;
    platform.remove("strict").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_key_that_was_not_admitted_for_a_while_becomes_another_one() {
    let platform = platform("moody").await;
    let operator = platform.operator().await;
    platform
        .declare_key("moody-acars", "moody", json!({}))
        .await;
    platform
        .key_comes_to("moody-acars", "True", "Available")
        .await;
    let before = platform.client_secret("moody-acars").await;
    let allow = |scopes: Value| {
        let clients = json!({"matchLabels": {"clients": "yes"}});
        json!({"apiKeys": {"allow": [{"namespaceSelector": clients, "scopes": scopes}]}})
    };
    platform
        .change("moody", allow(json!(["track:write"])))
        .await;
    platform
        .key_comes_to("moody-acars", "False", "ScopesNotAllowed")
        .await;
    until("the key no longer works", async || {
        platform.runtimes.of("moody").live_keys().is_empty()
    })
    .await;
    platform
        .change("moody", allow(json!(["pireps:write"])))
        .await;
    until("there is another key", async || {
        platform.client_secret("moody-acars").await["keyId"] != before["keyId"]
    })
    .await;
    platform
        .key_comes_to("moody-acars", "True", "Available")
        .await;
    let after = platform.client_secret("moody-acars").await;
    the_key_works(&platform, "moody", &after).await;
    platform.remove_key("moody-acars").await;
    platform.remove("moody").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_namespace_that_loses_its_label_leaves_the_key_as_it_is() {
    let platform = platform("careless").await;
    let operator = platform.operator().await;
    platform
        .declare_key("careless-acars", "careless", json!({}))
        .await;
    platform
        .key_comes_to("careless-acars", "True", "Available")
        .await;
    let secret = platform.client_secret("careless-acars").await;
    let namespaces: Api<Namespace> = Api::all(platform.client.clone());
    let label = json!({"metadata": {"labels": {"albatross.aero/managed": null}}});
    let (parameters, label) = (PatchParams::default(), Patch::Merge(label));
    let changed = namespaces.patch(CLIENTS, &parameters, &label).await;
    changed.unwrap();
    platform
        .key_comes_to("careless-acars", "False", "NamespaceNotAllowed")
        .await;
    // The runtime is told something new meanwhile.
    let name = json!({"displayName": "Careless Airways"});
    platform.change("careless", name).await;
    until("the runtime is told", async || {
        let runtime = platform.runtimes.of("careless");
        runtime.state["tenant"]["displayName"] == "Careless Airways"
    })
    .await;
    the_key_works(&platform, "careless", &secret).await;
    platform.client_namespace().await;
    platform
        .key_comes_to("careless-acars", "True", "Available")
        .await;
    assert_eq!(platform.client_secret("careless-acars").await, secret);
    platform.remove_key("careless-acars").await;
    platform.remove("careless").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_key_goes_with_its_namespace_and_without_its_tenant() {
    let platform = platform("going").await;
    let operator = platform.operator().await;
    platform.declare_key("orphan", "going", json!({})).await;
    platform.declare_key("nested", "going", json!({})).await;
    for key in ["orphan", "nested"] {
        platform.key_comes_to(key, "True", "Available").await;
    }
    // A namespace removes what is in it in no order that helps.
    let namespaces: Api<Namespace> = Api::all(platform.client.clone());
    let deleted = namespaces.delete(CLIENTS, &DeleteParams::default()).await;
    deleted.unwrap();
    until("the namespace is gone", async || {
        namespaces.get_opt(CLIENTS).await.unwrap().is_none()
    })
    .await;
    until("the keys no longer work", async || {
        platform.runtimes.of("going").live_keys().is_empty()
    })
    .await;
    platform.client_namespace().await;
    platform.declare_key("orphan", "going", json!({})).await;
    platform.key_comes_to("orphan", "True", "Available").await;
    platform.remove("going").await;
    platform
        .key_comes_to("orphan", "False", "TenantNotFound")
        .await;
    platform.remove_key("orphan").await;
    assert_eq!(platform.secret(CLIENTS, "orphan").await, None);
    operator.stop().await;
}
