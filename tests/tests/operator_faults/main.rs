//! A fault at every single call that the operator makes to the outside, whichever they are: afterwards all is as if
//! nothing had happened. One kind of fault per call, chosen by a seed; every kind with `ALBATROSS_SOAK=1`.
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod life;
mod lost_answer;
mod model;
mod settings;
mod silence;
mod wandering;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use albatross_tests::chart::NAMESPACE;
use albatross_tests::faults::{Call, Fault, SHARED};
use albatross_tests::wait::until_in;
use futures::future::join_all;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::time::Instant;

use crate::life::{IN_ORDER, STAGES};
use crate::model::PATIENCE;
use crate::settings::{seed, soak};
use crate::world::World;

/// So many at once that the operator works on several at a time, and so few that its death does not concern too many.
const NEIGHBOURS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_lives_through_a_fault_at_any_call_of_its_life() {
    let seed = seed();
    let mut world = World::new().await;
    let quiet = ["quiet-1", "quiet-2"];
    let whole: Vec<_> = quiet.iter().map(|name| (*name, STAGES.to_vec())).collect();
    world.run(async |world| lives(world, &whole).await).await;
    let calls = quiet.iter().flat_map(|name| world.journal.calls(name));
    let calls = worth_a_fault(calls.collect(), seed);
    assert!(
        calls.len() > 60,
        "hardly any call goes through the gates: {calls:?}"
    );
    for stage in STAGES {
        let calls = calls.iter().filter(|call| call.phase == stage).count();
        println!("{stage}: {calls} calls to go wrong");
        assert!(
            calls > 0 || !IN_ORDER.contains(&stage),
            "{stage} makes no call"
        );
    }
    let mut plans = side_by_side(faults(&calls, seed));
    if soak() {
        // What is stopped early has then seen something of everything.
        plans.shuffle(&mut StdRng::seed_from_u64(seed));
    }
    println!(
        "saw: {} calls, {} lives, seed {seed}",
        calls.len(),
        plans.len()
    );

    let mut unmet = Vec::new();
    for (group, plans) in plans.chunks(NEIGHBOURS).enumerate() {
        let names: Vec<String> = (0..plans.len())
            .map(|i| format!("life-{group:02}-{i:02}"))
            .collect();
        let mut planned = Vec::new();
        for (name, plan) in names.iter().zip(plans) {
            for (call, fault) in plan {
                world.journal.plan(name, call.clone(), *fault);
            }
            planned.push((
                name.as_str(),
                plan.iter().map(|(call, _)| call.phase.as_str()).collect(),
            ));
        }
        let began = Instant::now();
        world.run(async |world| lives(world, &planned).await).await;
        println!("{} lives in {:.0?}", plans.len(), began.elapsed());
        unmet.extend(names.iter().flat_map(|name| world.journal.left(name)));
    }
    // Some calls are made in a race only, so that another life may do without them; most are made in every life.
    let left: BTreeSet<_> = unmet.iter().map(|(call, _)| call).collect();
    let made = calls.len() - left.len();
    println!("{} calls were not made again: {unmet:#?}", unmet.len());
    assert!(
        made * 10 >= calls.len() * 9,
        "hardly any of the planned faults came about: {made} of {}",
        calls.len()
    );
}

/// Lives with one fault in each phase: all is well at its end, so that the next begins anew.
fn side_by_side(faults: Vec<(Call, Fault)>) -> Vec<Vec<(Call, Fault)>> {
    let mut lives: Vec<Vec<(Call, Fault)>> = Vec::new();
    for (call, fault) in faults {
        let has_room = |life: &&mut Vec<(Call, Fault)>| {
            life.iter().all(|(other, _)| other.phase != call.phase)
        };
        match lives.iter_mut().find(has_room) {
            Some(life) => life.push((call, fault)),
            None => lives.push(vec![(call, fault)]),
        }
    }
    lives
}

/// Each call at the first stage that makes it, and at each where the order matters, and one of its repetitions there: they
/// are done in the same way. All of them in the soak.
fn worth_a_fault(calls: BTreeSet<Call>, seed: u64) -> BTreeSet<Call> {
    if soak() {
        return calls;
    }
    let mut chance = StdRng::seed_from_u64(seed);
    let mut known: BTreeMap<(String, Option<&str>), Vec<Call>> = BTreeMap::new();
    let stages = ["create"].into_iter().chain(STAGES).chain(["drop"]);
    for stage in stages {
        for call in calls.iter().filter(|call| call.phase == stage) {
            let in_order = IN_ORDER.contains(&stage).then_some(stage);
            let what = (call.what.clone(), in_order);
            let same = known.entry(what).or_default();
            if same.first().is_none_or(|first| first.phase == stage) {
                same.push(call.clone());
            }
        }
    }
    let one_each = known.into_values().map(|same| {
        let number = chance.random_range(0..same.len());
        same[number].clone()
    });
    one_each.collect()
}

/// Names, and what each goes through.
async fn lives(world: &World, all: &[(&str, Vec<&str>)]) {
    join_all(
        all.iter()
            .map(|(name, stages)| life::live(world, name, stages)),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_starts_in_spite_of_a_fault_at_any_call_that_is_for_no_tenant() {
    let seed = seed();
    let mut world = World::new().await;
    world.journal.enter(SHARED, "quiet");
    world.journal.learn("steady", "steady");
    world
        .run(async |world| {
            world.platform.airline("steady", json!({})).await;
        })
        .await;
    let calls: BTreeSet<Call> = world
        .journal
        .calls(SHARED)
        .into_iter()
        .filter(|call| call.number == 1)
        .collect();
    assert!(
        calls.len() > 20,
        "hardly any call goes through the gates: {calls:?}"
    );
    let plan = faults(&calls, seed);
    println!(
        "saw: {} calls for no tenant, {} faults, seed {seed}",
        calls.len(),
        plan.len()
    );
    // Several at once, since each start takes its time; one by one in the soak.
    let at_once = if soak() { 1 } else { 8 };
    for (start, faults) in plan.chunks(at_once).enumerate() {
        let phase = format!("start {start}");
        world.journal.enter(SHARED, &phase);
        for (call, fault) in faults {
            let call = Call {
                phase: phase.clone(),
                ..call.clone()
            };
            world.journal.plan(SHARED, call, *fault);
        }
        // The first start of all had to make it.
        let leases: Api<Lease> = Api::namespaced(world.platform.client.clone(), NAMESPACE);
        let deleted = leases
            .delete("albatross-operator", &DeleteParams::default())
            .await;
        deleted.unwrap();
        // What is noted there is not asked of the servers again.
        let secrets: Api<Secret> = Api::namespaced(world.platform.client.clone(), NAMESPACE);
        let forget = Patch::Merge(json!({"data": {"provisioned": null}}));
        let forgotten = secrets
            .patch("tenant-steady", &PatchParams::default(), &forget)
            .await;
        forgotten.unwrap();
        let began = Instant::now();
        world
            .run(async |world| {
                let name = json!({"displayName": format!("Skyways {start}")});
                world.change("steady", name).await;
                // Longer than a watch may be silent.
                until_in(PATIENCE, "steady is Ready", async || {
                    world.says("steady", "Ready", "True", "Available")
                })
                .await;
                let what = format!("all of this goes wrong: {faults:?}");
                until_in(PATIENCE, &what, async || world.journal.is_met(SHARED)).await;
            })
            .await;
        println!(
            "{phase}: {} faults in {:.0?}",
            faults.len(),
            began.elapsed()
        );
    }
    world
        .run(async |world| world.platform.remove("steady").await)
        .await;
}

/// What is to go wrong, and where.
fn faults(calls: &BTreeSet<Call>, seed: u64) -> Vec<(Call, Fault)> {
    let of = |call: &Call| {
        if soak() {
            return Fault::ALL.to_vec();
        }
        vec![Fault::seeded(seed, call)]
    };
    let each = calls
        .iter()
        .flat_map(|call| of(call).into_iter().map(|fault| (call.clone(), fault)));
    each.collect()
}
