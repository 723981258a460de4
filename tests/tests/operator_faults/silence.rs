//! A watch whose connection stays open and says nothing, as behind a firewall that forgot it.

use albatross_tests::faults::{Call, Fault, SHARED};
use albatross_tests::wait::until_in;
use serde_json::json;

use crate::model::PATIENCE;
use crate::world::World;

/// From before its first word on, or from there on.
async fn is_seen_through(silence: Fault) {
    let mut world = World::new().await;
    world.journal.enter(SHARED, "silence");
    let of_deployments = Call {
        phase: "silence".to_owned(),
        what: "kubernetes: GET /apis/apps/v1/deployments (watch)".to_owned(),
        number: 1,
    };
    world.journal.plan(SHARED, of_deployments, silence);
    world
        .run(async |world| {
            world.platform.declare("unheard", json!({})).await;
            // Nothing else tells the operator that the pods are there.
            until_in(PATIENCE, "unheard is Ready", async || {
                world.says("unheard", "Ready", "True", "Available")
            })
            .await;
            assert!(world.journal.is_met(SHARED));
            world.platform.remove("unheard").await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_seen_although_the_watch_that_would_tell_it_fell_silent() {
    is_seen_through(Fault::LostAnswer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_seen_although_the_watch_that_would_tell_it_is_never_answered() {
    is_seen_through(Fault::Timeout).await;
}

/// Whoever follows has not heard of an ApiKey when it comes to lead; a key that is revoked stays so.
#[tokio::test(flavor = "multi_thread")]
async fn keys_work_on_while_the_watch_that_would_tell_their_api_key_is_silent() {
    let world = World::new().await;
    world.journal.enter(SHARED, "silence");
    let of_api_keys = Call {
        phase: "silence".to_owned(),
        what: "kubernetes: GET /apis/albatross.aero/v1alpha1/apikeys (watch)".to_owned(),
        number: 1,
    };
    let platform = &world.platform;
    let first = platform.operator().await;
    platform.airline("unheard", json!({})).await;
    world.journal.plan(SHARED, of_api_keys, Fault::LostAnswer);
    let second = platform.start("second", Some(&world.gate())).await;
    until_in(PATIENCE, "the watch is silent", async || {
        world.journal.is_met(SHARED)
    })
    .await;
    platform.declare_key("acars", "unheard", json!({})).await;
    platform.key_comes_to("acars", "True", "Available").await;
    let before = platform.runtimes.of("unheard");
    first.stop().await;
    until_in(PATIENCE, "the second leads", async || {
        platform.leader().await == second.identity
    })
    .await;

    let changed = json!({"displayName": "Unheard of"});
    platform.change("unheard", changed).await;
    let mut told = before.clone();
    until_in(PATIENCE, "the runtime is told", async || {
        told = platform.runtimes.of("unheard");
        told.number > before.number
    })
    .await;
    assert_eq!(told.state["apiKeys"], json!([]), "it was not heard of");
    assert_eq!(told.state["keptApiKeys"], json!(before.live_keys()));
    assert_eq!(told.keys, before.keys);
    until_in(PATIENCE, "the key is heard of", async || {
        let told = platform.runtimes.of("unheard");
        told.state["apiKeys"][0]["keyId"] == *before.live_keys()[0]
    })
    .await;
    platform.remove_key("acars").await;
    platform.remove("unheard").await;
    second.stop().await;
}
