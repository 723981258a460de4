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
