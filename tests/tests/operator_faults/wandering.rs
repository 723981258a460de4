//! Whatever is declared, in whatever order, and whatever goes wrong meanwhile: what was declared last comes about.

use albatross_tests::faults::Fault;
use albatross_tests::wait::until_in;
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::NEIGHBOURS;
use crate::cache::Cache;
use crate::life::bounds;
use crate::model::{Life, Model, PATIENCE};
use crate::settings::{seed, soak};
use crate::world::World;

const STEPS: usize = 6;
/// Changes of one step: those before are still being made.
const CHANGES: usize = 3;
/// Faults of one step, and within how many calls each comes.
const FAULTS: usize = 2;
const CALLS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_declared_in_any_order_comes_about_in_spite_of_whatever_goes_wrong() {
    let seed = seed();
    let names: Vec<String> = (0..if soak() { 60 } else { 6 })
        .map(|number| format!("wanderer-{number:02}"))
        .collect();
    let mut world = World::new().await;
    for (group, names) in names.chunks(NEIGHBOURS).enumerate() {
        let wanderers: Vec<_> = (group * NEIGHBOURS..).zip(names).collect();
        world
            .run(async |world| {
                let lives = wanderers.iter().map(|(number, name)| {
                    let seed = seed.wrapping_add(*number as u64);
                    wander(world, name, StdRng::seed_from_u64(seed))
                });
                join_all(lives).await;
            })
            .await;
    }
    println!(
        "saw: {} lives of {STEPS} steps of up to {CHANGES} changes and {FAULTS} faults, seed {seed}",
        names.len()
    );
}

async fn wander(world: &World, name: &str, mut random: StdRng) {
    let mut life = Life {
        world,
        name,
        cache: Cache::Managed,
        key: format!("{name}-acars"),
        model: Model::PLAIN,
    };
    world.journal.learn(name, name);
    life.create().await;
    let mut declared = Declared::default();
    for step in 0..STEPS {
        world.journal.enter(name, &format!("step {step}"));
        for _ in 0..random.random_range(0..=FAULTS) {
            let fault = Fault::ALL[random.random_range(0..Fault::ALL.len())];
            world
                .journal
                .strike(name, random.random_range(0..CALLS), fault);
        }
        for _ in 0..random.random_range(1..=CHANGES) {
            if random.random_range(0..6) == 0 {
                life.trigger(step).await;
            }
            let change = declared.change(&mut random);
            println!("{name}, step {step}: {change}");
            world.change(name, change).await;
        }
        life.comes_to(&mut declared).await;
    }
    world.journal.calm(name);
    world.change(name, declared.resume()).await;
    life.comes_to(&mut declared).await;
    life.delete().await;
    let identities = world.journal.identities(name);
    assert_eq!(identities, 1, "{name} got other credentials");
    world.journal.forget(name);
}

/// What a Tenant says.
#[derive(Clone, Debug, Default)]
struct Declared {
    /// Beyond one.
    more: i32,
    worker: bool,
    scaled: bool,
    ingress: bool,
    gateway: bool,
    asleep: bool,
    suspended: bool,
    observed: bool,
}

impl Declared {
    /// Declares something else, and says what.
    fn change(&mut self, random: &mut StdRng) -> Value {
        match random.random_range(0..8) {
            0 => {
                self.more = random.random_range(0..3);
                json!({"api": {"replicas": self.replicas()}})
            }
            1 => self.toggle_worker(),
            2 => {
                self.scaled = !self.scaled;
                let autoscaling = self.scaled.then(bounds);
                json!({"api": {"replicas": self.replicas(), "autoscaling": autoscaling}})
            }
            3 => {
                (self.ingress, self.gateway) = (!self.ingress, false);
                self.exposure()
            }
            4 => {
                (self.ingress, self.gateway) = (false, !self.gateway);
                self.exposure()
            }
            5 => {
                self.asleep = !self.asleep;
                json!({"hibernate": if self.asleep { "Now" } else { "Never" }})
            }
            6 => {
                self.suspended = !self.suspended;
                json!({"suspend": self.suspended})
            }
            _ => {
                self.observed = !self.observed;
                json!({"mode": if self.observed { "Observe" } else { "Apply" }})
            }
        }
    }

    fn toggle_worker(&mut self) -> Value {
        self.worker = !self.worker;
        json!({"worker": {"replicas": i32::from(self.worker)}})
    }

    fn resume(&mut self) -> Value {
        (self.asleep, self.suspended, self.observed) = (false, false, false);
        json!({"hibernate": "Never", "suspend": false, "mode": "Apply"})
    }

    /// None while an autoscaler decides.
    fn replicas(&self) -> Option<i32> {
        (!self.scaled).then_some(1 + self.more)
    }

    fn exposure(&self) -> Value {
        let edge = json!({"parentRef": {"name": "edge", "namespace": "gateways"}});
        let (ingress, gateway) = (
            self.ingress.then(|| json!({})),
            self.gateway.then_some(edge),
        );
        json!({"exposure": (ingress.is_some() || gateway.is_some())
            .then(|| json!({"ingress": ingress, "gateway": gateway}))})
    }

    /// Of a tenant with so many pods, if it is the autoscaler who decides.
    fn model(&self, name: &str, pods: Option<i32>) -> Model {
        let host = format!("{name}.example");
        let awake = Model {
            api: self.replicas().or(pods),
            worker: self.worker.then_some(1),
            autoscaler: self.scaled.then_some((2, 5)),
            ingress: self.ingress.then(|| host.clone()),
            http_route: self.gateway.then_some(host),
        };
        match self.asleep {
            true => awake.asleep(),
            false => awake,
        }
    }
}

impl Life<'_> {
    /// All is as declared, or nothing moves.
    async fn comes_to(&mut self, declared: &mut Declared) {
        if declared.suspended || declared.observed {
            self.is_held(declared).await;
            let before = self.seen().await;
            let change = declared.toggle_worker();
            self.world.change(self.name, change).await;
            self.is_held(declared).await;
            assert_eq!(self.seen().await, before, "{}", self.name);
            return;
        }
        let well = if declared.asleep {
            "Hibernated"
        } else {
            "Available"
        };
        until_in(PATIENCE, &format!("{} is Ready", self.name), async || {
            self.says("Ready", "True", well)
        })
        .await;
        let pods = self.seen().await.api;
        assert!(
            declared.asleep || pods.is_some_and(|pods| pods > 0),
            "{}",
            self.name
        );
        self.model = declared.model(self.name, pods);
        self.is_well(None).await;
    }

    async fn is_held(&self, declared: &Declared) {
        let why = match declared.suspended {
            true => "Suspended",
            false => "Observing",
        };
        until_in(PATIENCE, &format!("{} is held", self.name), async || {
            self.says("Suspended", "True", why)
        })
        .await;
    }

    async fn trigger(&self, step: usize) {
        let rotation = json!({"trigger": format!("step {step}"), "overlap": "2h"});
        let change = json!({ "rotation": rotation });
        self.world.platform.change_key(&self.key, change).await;
    }
}
