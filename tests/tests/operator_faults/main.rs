//! A fault at every single call that the operator makes to the outside, whichever they are: afterwards all is as if
//! nothing had happened. One kind of fault per call, chosen by a seed; every kind with `ALBATROSS_SOAK=1`.
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod cache;
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
use futures::{StreamExt, stream};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::time::Instant;

use crate::cache::Cache;
use crate::life::IN_ORDER;
use crate::model::PATIENCE;
use crate::settings::{seed, soak};
use crate::world::World;

/// So many at once that the operator works on several at a time, and so few that its death does not concern too many.
const NEIGHBOURS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_lives_through_a_fault_at_any_call_of_its_life() {
    let seed = seed();
    let mut world = World::new().await;
    world.add_caches();
    let mut plans = plans(&mut world, seed).await;
    let calls: BTreeSet<_> = plans
        .iter()
        .flat_map(|(cache, plan)| plan.iter().map(|(call, _)| (*cache, call.clone())))
        .collect();
    assert!(
        calls.len() > 60,
        "hardly any call goes through the gates: {calls:?}"
    );
    if soak() {
        // What is stopped early has then seen something of everything.
        plans.shuffle(&mut StdRng::seed_from_u64(seed));
    }
    println!(
        "saw: {} calls, {} lives, seed {seed}",
        calls.len(),
        plans.len()
    );

    let mut planned = Vec::new();
    for (number, (cache, plan)) in plans.iter().enumerate() {
        let name = format!("life-{number:03}");
        for (call, fault) in plan {
            world.journal.plan(&name, call.clone(), *fault);
        }
        let phases = plan.iter().map(|(call, _)| call.phase.as_str());
        planned.push((name, *cache, phases.collect()));
    }
    let began = Instant::now();
    world.run(async |world| lives(world, &planned).await).await;
    println!("{} lives in {:.0?}", planned.len(), began.elapsed());
    let unmet = planned.iter().flat_map(|(name, cache, _)| {
        let left = world.journal.left(name).into_iter();
        left.map(|(call, fault)| ((*cache, call), fault))
    });
    let unmet: Vec<_> = unmet.collect();
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

/// What lives without a fault call, to go wrong in others of their kind. What they share is to go wrong in one kind.
async fn plans(world: &mut World, seed: u64) -> Vec<(Cache, Vec<(Call, Fault)>)> {
    let quiet = [
        ("quiet-1", Cache::Managed),
        ("quiet-2", Cache::Managed),
        ("quiet-3", Cache::External),
        ("quiet-4", Cache::Shared),
    ];
    let whole = quiet.map(|(name, cache)| (name.to_owned(), cache, cache.stages().to_vec()));
    world.run(async |world| lives(world, &whole).await).await;
    let mut known = BTreeSet::new();
    let mut plans = Vec::new();
    for cache in Cache::ALL {
        let of_cache = quiet.iter().filter(|(_, of)| *of == cache);
        let calls = of_cache.flat_map(|(name, _)| world.journal.calls(name));
        let calls: BTreeSet<_> = calls.filter(|call| is_new(call, &known)).collect();
        known.extend(calls.iter().map(kind));
        let calls = worth_a_fault(calls, cache.stages(), seed);
        for stage in cache.stages() {
            let calls = calls.iter().filter(|call| call.phase == *stage).count();
            println!("{cache:?}, {stage}: {calls} calls to go wrong");
            assert!(
                calls > 0 || !IN_ORDER.contains(stage),
                "{stage} makes no call"
            );
        }
        let lives = side_by_side(faults(&calls, seed)).into_iter();
        plans.extend(lives.map(|plan| (cache, plan)));
    }
    plans
}

/// What is called, and when.
fn kind(call: &Call) -> (String, String) {
    (call.phase.clone(), call.what.clone())
}

/// Whether no other kind of life makes it, or not in the same order.
fn is_new(call: &Call, known: &BTreeSet<(String, String)>) -> bool {
    match IN_ORDER.contains(&&*call.phase) {
        true => !known.contains(&kind(call)),
        false => known.iter().all(|(_, what)| *what != call.what),
    }
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
fn worth_a_fault(calls: BTreeSet<Call>, between: &[&str], seed: u64) -> BTreeSet<Call> {
    if soak() {
        return calls;
    }
    let mut chance = StdRng::seed_from_u64(seed);
    let mut known: BTreeMap<(String, Option<&str>), Vec<Call>> = BTreeMap::new();
    let between = between.iter().copied();
    let stages = ["create"].into_iter().chain(between).chain(["drop"]);
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

/// Names, caches, and what each goes through. Whoever has come to its end makes room for the next.
async fn lives(world: &World, all: &[(String, Cache, Vec<&str>)]) {
    let lives =
        stream::iter(all).for_each_concurrent(NEIGHBOURS, |(name, cache, stages)| async move {
            let began = Instant::now();
            life::live(world, name, *cache, stages).await;
            println!("{name}: {} stages in {:.0?}", stages.len(), began.elapsed());
        });
    lives.await;
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
