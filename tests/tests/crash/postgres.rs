//! Two processes on one PostgreSQL: now one of them is killed, now the other, now both, now the server.

use albatross_tests::airline::Caller;
use albatross_tests::feed::bind_own_queue;
use albatross_tests::processes::{Process, albatross, free_port};
use albatross_tests::servers::{PrivateServer, servers};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand::RngExt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::audit;
use crate::feed;
use crate::load::Load;
use crate::plan::Plan;

pub const TENANT_KEY: [u8; 32] = [7; 32];

/// An airline with two processes, as a Deployment with two replicas has them.
pub struct Airline {
    environment: Vec<(&'static str, String)>,
    ports: [Ports; 2],
}

#[derive(Clone, Copy)]
struct Ports {
    public: u16,
    probes: u16,
}

impl Airline {
    /// Over a migrated database, with an administrator; `servers` names broker and cache, if any.
    pub async fn new(database_url: &str, servers: Vec<(&'static str, String)>) -> (Self, String) {
        let ports = || Ports {
            public: free_port(),
            probes: free_port(),
        };
        let mut environment = servers;
        environment.extend([
            ("DATABASE_URL", database_url.to_owned()),
            ("ALBATROSS_TENANT", "skyways".to_owned()),
            (
                "ALBATROSS_TENANT_ID",
                "6f0d4b1c-7a0e-4f57-9b7b-1a5f5f1d2c3e".to_owned(),
            ),
            ("ALBATROSS_TENANT_KEY", BASE64_STANDARD.encode(TENANT_KEY)),
            ("ALBATROSS_PEPPER", BASE64_STANDARD.encode([8; 32])),
            (
                "ALBATROSS_PUBLIC_URL",
                "http://skyways.localhost".to_owned(),
            ),
        ]);
        let airline = Self {
            environment,
            ports: [ports(), ports()],
        };
        airline.run(&["migrate"]).await;
        let said = airline.run(&["admin", "ada@skyways.example"]).await;
        let link = said.split_whitespace().find(|word| word.contains('#'));
        (airline, link.expect("a link").to_owned())
    }

    async fn run(&self, arguments: &[&str]) -> String {
        let mut command = albatross(arguments);
        command.envs(self.environment.clone());
        let ended = Process::start(command).ended().await;
        assert!(ended.status.success(), "{arguments:?}: {}", ended.stderr);
        ended.stdout
    }

    /// One of its processes, once it is ready.
    pub async fn serve(&self, which: usize) -> Process {
        let address = |port| format!("127.0.0.1:{port}");
        let ports = self.ports[which];
        let mut command = albatross(&["serve"]);
        command
            .envs(self.environment.clone())
            .env("ALBATROSS_LISTEN", address(ports.public))
            .env("ALBATROSS_PROBE_LISTEN", address(ports.probes));
        let mut process = Process::start(command);
        let ready = format!("http://{}/readyz", address(ports.probes));
        process.answers(&ready, 200).await;
        process
    }

    /// A caller of each process, with a key that the administrator issued.
    pub async fn callers(&self, link: &str) -> Vec<Caller> {
        let address = |ports: Ports| format!("http://127.0.0.1:{}", ports.public);
        let host = "skyways.localhost";
        let admin = Caller::by_link(&address(self.ports[0]), host, link).await;
        let me = admin.get("/me").await["user"]["id"].clone();
        let path = format!("/users/{}/apikeys", me.as_str().expect("an id"));
        let issued = admin
            .request(Method::POST, &path)
            .header("Idempotency-Key", "first")
            .json(
                &json!({"name": "load", "scopes": ["pireps:read", "pireps:write", "track:write"]}),
            )
            .send()
            .await
            .expect("an answer");
        assert_eq!(issued.status(), StatusCode::CREATED);
        let issued: Value = issued.json().await.expect("JSON");
        let key = issued["key"].as_str().expect("a key");
        let caller = |ports| Caller::with_key(&address(ports), host, key);
        self.ports.map(caller).into()
    }
}

#[tokio::test]
async fn replicas_lose_nothing_when_they_are_killed() {
    let mut plan = Plan::new("two serve on PostgreSQL", 40);
    let database = servers().await.database().await;
    let cache = servers().await.redis_user().await;
    let broker = servers().await.virtual_host().await;
    let beside = vec![
        ("REDIS_URL", cache.url),
        ("ALBATROSS_REDIS_PREFIX", cache.prefix),
        ("AMQP_URL", broker.url.clone()),
    ];
    bind_own_queue(&broker.url).await;
    let (airline, link) = Airline::new(&database.url, beside).await;
    let mut processes = [airline.serve(0).await, airline.serve(1).await];
    let callers = airline.callers(&link).await;
    let load = Load::begin(&callers, &mut plan.random);
    for _ in 0..plan.cycles {
        plan.moment(&load).await;
        let victims = plan.random.random_range(1..=3);
        let victims = [0, 1].into_iter().filter(|which| victims >> which & 1 == 1);
        // Both are gone before either is back.
        victims.clone().for_each(|which| processes[which].kill());
        for which in victims {
            processes[which] = airline.serve(which).await;
        }
    }
    let (flights, repeated) = load.end().await;
    audit::repeats(&callers, &flights).await;
    audit::visible(&callers[0], &flights).await;
    feed::is_complete(&database.url, &broker.url).await;
    finish(processes).await;
    let events = audit::storage(&database.url, TENANT_KEY, &flights).await;
    plan.summary(&flights, repeated, events);
}

#[tokio::test]
async fn replicas_outlive_their_server_and_lose_nothing() {
    let mut plan = Plan::new("PostgreSQL under two serve", 20);
    let server = PrivateServer::postgres().await;
    let database = server.database().await;
    let (airline, link) = Airline::new(&database.url, Vec::new()).await;
    let processes = [airline.serve(0).await, airline.serve(1).await];
    let callers = airline.callers(&link).await;
    let load = Load::begin(&callers, &mut plan.random);
    for _ in 0..plan.cycles {
        plan.moment(&load).await;
        server.kill();
        server.restart();
    }
    let (flights, repeated) = load.end().await;
    audit::repeats(&callers, &flights).await;
    audit::visible(&callers[0], &flights).await;
    finish(processes).await;
    let events = audit::storage(&database.url, TENANT_KEY, &flights).await;
    plan.summary(&flights, repeated, events);
}

async fn finish(processes: [Process; 2]) {
    for process in processes {
        let ended = process.interrupt().await;
        assert!(ended.status.success(), "{}", ended.stderr);
    }
}
