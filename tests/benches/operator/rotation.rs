//! Keys that are rotated while programs write with them, and two processes of the runtime that answer them.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use albatross_tests::airline::Caller;
use albatross_tests::bench::table::{Bar, Table};
use albatross_tests::platform::{Platform, Runtime};
use albatross_tests::processes::{Process, albatross, free_port};
use albatross_tests::wait::{recovered, until};
use futures::future::join_all;
use kube::api::{Patch, PatchParams};
use reqwest::{Method, Response};
use serde_json::json;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const TENANT: &str = "turning";
const HOST: &str = "turning.example";
const HOME: &str = "albatross-turning";
const PROGRAMS: usize = 8;
const ROTATIONS: usize = 5;
/// Half of what the rate limit of one key lets through.
const PACE: Duration = Duration::from_millis(100);
/// Requests before a program looks into its Secret again: meanwhile it goes on with the key that it has.
const BETWEEN_LOOKS: usize = 8;

pub async fn measure(table: &mut Table) {
    let platform = Platform::new().await;
    let internal = free_port();
    let runtime = format!("http://127.0.0.1:{internal}");
    platform.configure(|configuration| configuration["runtimeUrl"] = json!(runtime));
    platform.client_namespace().await;
    let operator = platform.operator().await;
    platform.declare(TENANT, json!({})).await;
    migrate(&platform).await;
    // The operator talks to the first, as a Service picks one; the other hears of it by their database.
    let (first, _its_process) = serve(&platform, internal).await;
    let (second, _its_process_too) = serve(&platform, free_port()).await;
    // They have the state that a pod waits for, and so its pods are said to.
    let pods = |runtime: &mut Runtime| runtime.number = u64::MAX;
    platform.runtimes.change(TENANT, pods);
    platform.ready(TENANT).await;

    let names: Vec<String> = (0..PROGRAMS).map(|it| format!("program-{it}")).collect();
    for name in &names {
        let rotation = json!({"rotation": {"trigger": "0", "overlap": "1h"}});
        platform.declare_key(name, TENANT, rotation).await;
    }
    for name in &names {
        platform.key_comes_to(name, "True", "Available").await;
    }
    let stop = CancellationToken::new();
    let programs: Vec<Program<'_>> = names
        .iter()
        .map(|name| Program::new(&platform, name, [&first, &second]))
        .collect();
    let load = join_all(programs.iter().map(|program| program.run(&stop)));
    let rotations = async {
        for turn in 1..=ROTATIONS {
            join_all(programs.iter().map(|program| program.rotate(turn))).await;
        }
        stop.cancel();
    };
    tokio::join!(load, rotations);

    let all: Vec<Seen> = programs.into_iter().map(Program::seen).collect();
    let requests: usize = all.iter().map(|seen| seen.requests).sum();
    let failures: usize = all.iter().map(|seen| seen.failures).sum();
    let keys: usize = all.iter().map(|seen| seen.keys.len()).sum();
    assert_eq!(
        keys,
        PROGRAMS * (ROTATIONS + 1),
        "every key was written with"
    );
    let what = "rotation under load: failed requests";
    table.figure(what, failures as f64, "requests", Bar::AtMost(0.0));
    table.note(&format!(
        "Under the rotation: {requests} requests by {PROGRAMS} programs to two processes of the runtime, while each one's key was \
         rotated {ROTATIONS} times; {keys} keys were written with. A program looks into its Secret after each {BETWEEN_LOOKS} requests.",
    ));
    for name in &names {
        platform.remove_key(name).await;
    }
    platform.remove(TENANT).await;
    operator.stop().await;
}

/// With the environment that the operator gives to the Job, whose success is only said here.
async fn migrate(platform: &Platform) {
    let environment = environment(platform, "albatross-migrate").await;
    let mut migrate = albatross(&["migrate"]);
    migrate.envs(environment);
    let ended = Process::start(migrate).ended().await;
    assert!(ended.status.success(), "{}", ended.stderr);
}

/// As a pod, but for its ports; returns where its API is once it is ready.
async fn serve(platform: &Platform, internal: u16) -> (String, Process) {
    let environment = environment(platform, "albatross-api").await;
    let [http, probes] = [free_port(), free_port()];
    let address = |port: u16| format!("127.0.0.1:{port}");
    let mut serve = albatross(&["serve"]);
    serve.envs(environment).envs([
        ("ALBATROSS_LISTEN", address(http)),
        ("ALBATROSS_INTERNAL_LISTEN", address(internal)),
        ("ALBATROSS_PROBE_LISTEN", address(probes)),
    ]);
    let mut process = Process::start(serve);
    let ready = format!("http://{}/readyz", address(probes));
    process.answers(&ready, 200).await;
    (format!("http://{}", address(http)), process)
}

/// What a Secret of the tenant's pods holds, once it is there.
async fn environment(platform: &Platform, secret: &str) -> Vec<(String, String)> {
    let mut found = None;
    recovered("the pods have their environment", async || {
        found = platform.secret(HOME, secret).await;
        found.is_some()
    })
    .await;
    found.into_iter().flatten().collect()
}

/// Writes with the key of its own Secret, without pause, to each process in turn.
struct Program<'a> {
    platform: &'a Platform,
    name: &'a str,
    addresses: [&'a str; 2],
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    requests: usize,
    failures: usize,
    /// Ids of the keys that it has written with.
    keys: BTreeSet<String>,
}

impl<'a> Program<'a> {
    fn new(platform: &'a Platform, name: &'a str, addresses: [&'a str; 2]) -> Self {
        Self {
            platform,
            name,
            addresses,
            seen: Mutex::default(),
        }
    }

    async fn run(&self, stop: &CancellationToken) {
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            let secret = self.platform.client_secret(self.name).await;
            let callers = self
                .addresses
                .map(|address| Caller::with_key(address, HOST, &secret["key"]));
            for caller in callers.iter().cycle().take(BETWEEN_LOOKS) {
                pace.tick().await;
                let plan = json!({"flightNumber": "SKY1", "departure": "LIRF", "arrival": "LLBG", "aircraftType": "B744"});
                let written = caller
                    .request(Method::PUT, &format!("/pireps/{}", Uuid::new_v4()))
                    .json(&json!({"intent": "prefile", "plan": plan}))
                    .send()
                    .await
                    .and_then(Response::error_for_status);
                self.note(&secret["keyId"], written);
            }
        }
    }

    fn note(&self, key: &str, written: reqwest::Result<Response>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.requests += 1;
        seen.keys.insert(key.to_owned());
        if let Err(error) = written {
            eprintln!("{} with {key}: {error:?}", self.name);
            seen.failures += 1;
        }
    }

    /// Returns once the next key is published and was written with.
    async fn rotate(&self, turn: usize) {
        let trigger = json!({"spec": {"rotation": {"trigger": turn.to_string()}}});
        let api = self.platform.api_keys();
        let parameters = PatchParams::default();
        let changed = api
            .patch(self.name, &parameters, &Patch::Merge(&trigger))
            .await;
        changed.unwrap();
        until("the next key is written with", async || {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.keys.len() > turn
        })
        .await;
    }

    fn seen(self) -> Seen {
        self.seen
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
