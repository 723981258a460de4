//! One answer of a server gets lost: the server is asked again before it counts as away.

use std::collections::BTreeMap;

use albatross_tests::faults::{Call, Fault, SHARED};
use albatross_tests::platform::{Operator, condition};
use albatross_tests::wait::until;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::settings::seed;
use crate::world::World;

/// With the condition that tells of each.
const SERVERS: [(&str, &str); 3] = [
    ("postgres", "DatabaseReady"),
    ("rabbitmq", "BrokerReady"),
    ("redis", "CacheReady"),
];

#[tokio::test(flavor = "multi_thread")]
async fn one_lost_answer_turns_no_condition() {
    let seed = seed();
    println!("seed {seed}");
    let world = World::new().await;
    let (platform, journal) = (&world.platform, &world.journal);
    let operator = platform.operator().await;
    platform.airline("calm", json!({})).await;
    let conditions = async || {
        let tenant = platform.tenant("calm").await.unwrap();
        SERVERS.map(|(_, kind)| condition(&tenant, kind).unwrap())
    };
    let before = conditions().await;

    journal.enter(SHARED, "quiet");
    is_looked_at_twice(&operator).await;
    let mut chance = StdRng::seed_from_u64(seed);
    journal.enter(SHARED, "lost");
    let mut asked: BTreeMap<&str, Vec<Call>> = BTreeMap::new();
    for call in journal.calls(SHARED) {
        let mut servers = SERVERS.into_iter();
        let server = servers.find(|(server, _)| call.what.starts_with(server));
        if let Some((server, _)) = server
            && call.phase == "quiet"
            && call.number == 1
        {
            asked.entry(server).or_default().push(call);
        }
    }
    assert_eq!(asked.len(), SERVERS.len(), "{asked:?}");
    for calls in asked.values() {
        let call = Call {
            phase: "lost".to_owned(),
            ..calls[chance.random_range(0..calls.len())].clone()
        };
        journal.plan(SHARED, call, Fault::LostAnswer);
    }
    until("an answer of each is lost", async || journal.is_met(SHARED)).await;
    // What the operator makes of it is written before it looks again.
    is_looked_at_twice(&operator).await;
    assert_eq!(conditions().await, before);
    platform.remove("calm").await;
    operator.stop().await;
}

/// Once a look that was under way has ended, the operator has looked at every server anew, and ended that too.
async fn is_looked_at_twice(operator: &Operator) {
    for (server, _) in SERVERS {
        let looks = async || operator.metric("external_calls", &[server]).await;
        let before = looks().await;
        until("it is looked at twice", async || {
            looks().await >= before + 2.0
        })
        .await;
    }
}
