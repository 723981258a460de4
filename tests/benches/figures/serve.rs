//! `albatross serve`, as an airline's pod runs it.

use std::process::Command;
use std::time::Instant;

use albatross::adapters::{migrate, open};
use albatross_tests::parts::{PEPPER, TENANT_ID, TENANT_KEY};
use albatross_tests::processes::{Process, albatross, free_port};
use albatross_tests::servers::servers;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::StatusCode;
use serde_json::json;

use crate::single_executable::settled;
use crate::table::{Bar, Table, median};
use crate::{Effort, airline};

const HOST: &str = "skyways.localhost";

/// One that is ready.
pub struct Serve {
    pub process: Process,
    pub port: u16,
}

impl Serve {
    /// On the airline's database; `more` adds arguments and servers.
    pub async fn start(database: &str, more: impl FnOnce(&mut Command)) -> Self {
        let (port, probes) = (free_port(), free_port());
        let mut command = albatross(&["serve", "--log", "warn"]);
        command
            .env("DATABASE_URL", database)
            .env("ALBATROSS_TENANT", "skyways")
            .env("ALBATROSS_TENANT_ID", TENANT_ID.to_string())
            .env("ALBATROSS_TENANT_KEY", BASE64_STANDARD.encode(TENANT_KEY))
            .env("ALBATROSS_PEPPER", BASE64_STANDARD.encode(PEPPER))
            .env("ALBATROSS_PUBLIC_URL", format!("http://{HOST}"))
            .env("ALBATROSS_LISTEN", format!("127.0.0.1:{port}"))
            .env("ALBATROSS_PROBE_LISTEN", format!("127.0.0.1:{probes}"));
        more(&mut command);
        let mut process = Process::start(command);
        let ready = format!("http://127.0.0.1:{probes}/readyz");
        process.answers(&ready, 200).await;
        Self { process, port }
    }
}

/// It serves, projects and publishes, and has each server that a tenant has.
pub async fn measure(table: &mut Table, effort: Effort) {
    let servers = servers().await;
    let (database, host) = (servers.database().await, servers.virtual_host().await);
    let cache = servers.redis_user().await;
    assert!(migrate(&database.url).await.unwrap() > 0);
    let airline = airline::over(&open(&database.url).await.unwrap()).await;
    airline::pilot(&airline, "bob").await;
    airline.catch_up().await.unwrap();
    drop(airline);
    let start = async || {
        let all = |command: &mut Command| {
            command
                .env("AMQP_URL", &host.url)
                .env("REDIS_URL", &cache.url)
                .env("ALBATROSS_REDIS_PREFIX", &cache.prefix);
        };
        Serve::start(&database.url, all).await
    };
    // The first has the broker's queues and the read model's tables to make.
    drop(start().await);
    let mut milliseconds = Vec::new();
    for _ in 0..effort.rounds {
        let begun = Instant::now();
        let serve = start().await;
        milliseconds.push(begun.elapsed().as_secs_f64() * 1e3);
        drop(serve);
    }
    let what = "serve and work, with PostgreSQL, RabbitMQ and Redis: start to ready";
    table.figure(what, median(&milliseconds), "ms", Bar::AtMost(150.0));
    let serve = start().await;
    let idle = settled(&serve.process).await;
    let what = "the same: resident while idle, before any log-in";
    table.figure(what, idle, "MiB", Bar::AtMost(25.0));
    log_in(serve.port).await;
    let idle = settled(&serve.process).await;
    let what = "the same: resident while idle, after a log-in";
    table.figure(what, idle, "MiB", Bar::AtMost(45.0));
}

/// By nobody whom the airline knows, which takes a password's hash all the same.
async fn log_in(port: u16) {
    let address = format!("http://127.0.0.1:{port}/api/v1/auth/login");
    let refused = reqwest::Client::new()
        .post(address)
        .header("Host", HOST)
        .header("Origin", format!("http://{HOST}"))
        .json(
            &json!({"email": "nobody@skyways.example", "password": "correct horse battery staple"}),
        )
        .send();
    assert_eq!(refused.await.unwrap().status(), StatusCode::UNAUTHORIZED);
}
