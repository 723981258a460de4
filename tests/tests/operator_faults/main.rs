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

/// Lives of each kind without a fault: what all of them call, every life calls, but for `PASSING`.
const QUIET: usize = 3;
/// At most: what went wrong in no life of one round is to go wrong in lives of the next.
const ROUNDS: usize = 4;
/// By phase and part of the call: made if the operator looks while new pods start, and not if they are ready before.
const PASSING: [(&str, &str); 5] = [
    ("wake", "/api-starting/"),
    ("adopt", "/api-starting/"),
    ("renew", "/events"),
    ("renew", "/tenants/*/status"),
    ("renew", "/internal/v1/desired"),
];

/// What is called, and when.
type Kind = (String, String);
/// In the life of a tenant with such a cache.
type Mishap = (Cache, Call, Fault);

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_lives_through_a_fault_at_any_call_of_its_life() {
    let seed = seed();
    let mut world = World::new().await;
    world.add_caches();
    let quiet = quiet_lives(&mut world).await;
    let mut due = mishaps(&quiet, seed);
    assert!(
        due.len() > 60,
        "hardly any call goes through the gates: {due:?}"
    );
    println!("saw: {} faults planned, seed {seed}", due.len());

    let mut met = BTreeSet::new();
    for round in 1..=ROUNDS {
        let unmet = go_wrong(&mut world, &due, round, seed).await;
        met.extend(due.difference(&unmet).map(unnumbered));
        println!(
            "round {round}: {} faults came to pass, not {unmet:#?}",
            due.len() - unmet.len()
        );
        if round == 1 {
            // How often something is called again is a matter of timing. Most repetitions come about all the same.
            let most = unmet.len() * 10 <= due.len();
            assert!(
                most,
                "{} of {} calls were not made again",
                unmet.len(),
                due.len()
            );
        }
        // A life that calls at all calls once.
        let first = unmet
            .into_iter()
            .filter(|it| !met.contains(&unnumbered(it)));
        due = first
            .map(|(cache, call, fault)| (cache, Call { number: 1, ..call }, fault))
            .collect();
        if !due.iter().any(|it| is_made_in_every_life(it, &quiet)) {
            break;
        }
    }
    let (certain, chance): (Vec<_>, Vec<_>) =
        due.iter().partition(|it| is_made_in_every_life(it, &quiet));
    assert!(
        certain.is_empty(),
        "every life makes these calls, and none went wrong: {certain:#?}"
    );
    println!(
        "saw: {} of {} kinds of call went wrong, the others were not made again: {chance:#?}",
        met.len(),
        met.len() + chance.len()
    );
}

/// Caches, and all that tenants with them called that lived without a fault, life by life.
async fn quiet_lives(world: &mut World) -> Vec<(Cache, BTreeSet<Call>)> {
    let caches = Cache::ALL.into_iter().flat_map(|cache| [cache; QUIET]);
    let planned = (1..).zip(caches).map(|(number, cache)| {
        let name = format!("quiet-{number}");
        (name, cache, cache.stages().to_vec())
    });
    let planned: Vec<_> = planned.collect();
    world.run(async |world| lives(world, &planned).await).await;
    let called = planned
        .iter()
        .map(|(name, cache, _)| (*cache, world.journal.calls(name)));
    called.collect()
}

/// What is to go wrong, of all that was called. What kinds of life share is to go wrong in one of them.
fn mishaps(quiet: &[(Cache, BTreeSet<Call>)], seed: u64) -> BTreeSet<Mishap> {
    let mut known = BTreeSet::new();
    let mut planned = BTreeSet::new();
    for cache in Cache::ALL {
        let certain = in_every_life(cache, quiet);
        let of_cache = quiet.iter().filter(|(of, _)| *of == cache);
        let calls = of_cache.flat_map(|(_, calls)| calls);
        let calls = calls.filter(|call| is_new(call, &known)).cloned().collect();
        known.extend(certain.clone());
        let calls = worth_a_fault(calls, &certain, cache.stages(), seed);
        for stage in cache.stages() {
            let calls = calls.iter().filter(|call| call.phase == *stage).count();
            println!("{cache:?}, {stage}: {calls} calls to go wrong");
            assert!(
                calls > 0 || !IN_ORDER.contains(stage),
                "{stage} makes no call"
            );
        }
        let faults = faults(&calls, seed).into_iter();
        planned.extend(faults.map(|(call, fault)| (cache, call, fault)));
    }
    planned
}

/// What every life of a kind calls.
fn in_every_life(cache: Cache, quiet: &[(Cache, BTreeSet<Call>)]) -> BTreeSet<Kind> {
    let of_cache = quiet.iter().filter(|(of, _)| *of == cache);
    let kinds = of_cache.map(|(_, calls)| calls.iter().map(kind).collect());
    let mut all: BTreeSet<Kind> = kinds
        .reduce(|all, of_one| &all & &of_one)
        .unwrap_or_default();
    let is_passing = |(phase, what): &Kind| {
        let mut passing = PASSING.iter();
        passing.any(|(during, part)| phase == during && what.contains(part))
    };
    all.retain(|kind| !is_passing(kind));
    all
}

fn is_made_in_every_life((cache, call, _): &Mishap, quiet: &[(Cache, BTreeSet<Call>)]) -> bool {
    in_every_life(*cache, quiet).contains(&kind(call))
}

/// Whichever of its repetitions it is.
fn unnumbered((cache, call, fault): &Mishap) -> (Cache, Kind, Fault) {
    (*cache, kind(call), *fault)
}

/// Leads as many lives as it takes for all of it to go wrong; what did not.
async fn go_wrong(
    world: &mut World,
    mishaps: &BTreeSet<Mishap>,
    round: usize,
    seed: u64,
) -> BTreeSet<Mishap> {
    let plans = Cache::ALL.into_iter().flat_map(|cache| {
        let of_cache = mishaps.iter().filter(|(of, ..)| *of == cache);
        let faults = of_cache.map(|(_, call, fault)| (call.clone(), *fault));
        let lives = side_by_side(faults.collect()).into_iter();
        lives.map(move |plan| (cache, plan))
    });
    let mut plans: Vec<_> = plans.collect();
    if soak() {
        // What is stopped early has then seen something of everything.
        plans.shuffle(&mut StdRng::seed_from_u64(seed));
    }
    let mut planned = Vec::new();
    for (number, (cache, plan)) in plans.iter().enumerate() {
        let name = format!("life-{round}-{number:03}");
        for (call, fault) in plan {
            world.journal.plan(&name, call.clone(), *fault);
        }
        let phases = plan.iter().map(|(call, _)| call.phase.as_str());
        let stages = match round {
            1 => phases.collect(),
            // Some calls are made only after what happened at an earlier stage.
            _ => cache.stages().to_vec(),
        };
        planned.push((name, *cache, stages));
    }
    let began = Instant::now();
    world.run(async |world| lives(world, &planned).await).await;
    println!("{} lives in {:.0?}", planned.len(), began.elapsed());
    let unmet = planned.iter().flat_map(|(name, cache, _)| {
        let left = world.journal.left(name).into_iter();
        left.map(|(call, fault)| (*cache, call, fault))
    });
    unmet.collect()
}

fn kind(call: &Call) -> Kind {
    (call.phase.clone(), call.what.clone())
}

/// Whether no other kind of life makes it, or not in the same order.
fn is_new(call: &Call, known: &BTreeSet<Kind>) -> bool {
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

/// Each call at the first stage that makes it in every life, or else at all, and at each where the order matters, and one of
/// its repetitions there: they are done in the same way. All of them in the soak.
fn worth_a_fault(
    calls: BTreeSet<Call>,
    certain: &BTreeSet<Kind>,
    between: &[&str],
    seed: u64,
) -> BTreeSet<Call> {
    if soak() {
        return calls;
    }
    let mut chance = StdRng::seed_from_u64(seed);
    let mut known: BTreeMap<(String, Option<&str>), Vec<Call>> = BTreeMap::new();
    let between = between.iter().copied();
    let stages = ["create"].into_iter().chain(between).chain(["drop"]);
    let is_certain = |call: &&Call| certain.contains(&kind(call));
    let (certain, by_chance): (Vec<_>, Vec<_>) = calls.iter().partition(is_certain);
    for (calls, stage) in [certain, by_chance]
        .iter()
        .flat_map(|calls| stages.clone().map(move |stage| (calls, stage)))
    {
        for call in calls.iter().filter(|call| call.phase == stage) {
            let in_order = IN_ORDER.contains(&stage).then_some(stage);
            let what = (call.what.clone(), in_order);
            let same = known.entry(what).or_default();
            if same.first().is_none_or(|first| first.phase == stage) {
                same.push((*call).clone());
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
