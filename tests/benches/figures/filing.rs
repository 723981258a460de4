//! PIREPs filed over HTTP with API keys, by the executable on PostgreSQL.

use std::process::Command;
use std::time::{Duration, Instant};

use albatross::adapters::{migrate, open};
use albatross_tests::processes::Process;
use albatross_tests::servers::servers;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::http::Connection;
use crate::serve::Serve;
use crate::table::{Bar, Table, median};
use crate::{Effort, airline, processor};

const CLIENTS: usize = 64;
/// Of pilots whom a client files for in turn: one may file 1,200 times a minute.
const KEYS_EACH: usize = 8;
const BODY: &str = r#"{"intent":"prefile","plan":{"flightNumber":"SKY1","departure":"LIRF","arrival":"LLBG","aircraftType":"B744"}}"#;

/// `append` is what a bare append takes of all processors together, in microseconds.
pub async fn measure(table: &mut Table, effort: Effort, append: f64) {
    let database = servers().await.database().await;
    assert!(migrate(&database.url).await.unwrap() > 0);
    let keys = keys(&database.url).await;
    // One that does not project: what is filed is what is measured.
    let alone = |command: &mut Command| _ = command.args(["--worker", "false"]);
    let Serve { process, port } = Serve::start(&database.url, alone).await;
    let (mut microseconds, mut milliseconds) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let before = spent(&process, &database.url).await;
        let mut latencies = file(port, &keys, effort.each).await;
        let after = spent(&process, &database.url).await;
        let each = after.saturating_sub(before).as_secs_f64() * 1e6 / latencies.len() as f64;
        microseconds.push(each - append);
        latencies.sort_unstable();
        milliseconds.push(latencies[latencies.len() * 99 / 100].as_secs_f64() * 1e3);
    }
    let what = "PIREP filed over HTTP with a key: processor time above a bare append";
    let bar = Bar::AtMost(60.0);
    table.figure(what, median(&microseconds), "µs", bar);
    let what = format!("PIREP filed over HTTP with a key: p99 at {CLIENTS} clients");
    let bar = Bar::AtMost(25.0);
    table.figure(&what, median(&milliseconds), "ms", bar);
    table.note("What is filed over HTTP is projected by nobody meanwhile, as where pods have workers of their own.");
}

async fn keys(url: &str) -> Vec<String> {
    let airline = airline::over(&open(url).await.unwrap()).await;
    let mut keys = Vec::with_capacity(CLIENTS * KEYS_EACH);
    for n in 0..CLIENTS * KEYS_EACH {
        let pilot = airline::pilot(&airline, &format!("pilot{n}")).await;
        keys.push(airline::key(&airline, &pilot).await);
    }
    airline.catch_up().await.unwrap();
    keys
}

/// How long each took.
async fn file(port: u16, keys: &[String], each: Duration) -> Vec<Duration> {
    let begun = Instant::now();
    let head = |key: &String| {
        format!(
            "Host: skyways.localhost\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{BODY}",
            BODY.len()
        )
    };
    let one = |keys: &[String]| {
        let heads: Vec<_> = keys.iter().map(head).collect();
        let mut heads = heads.into_iter().cycle();
        tokio::spawn(async move {
            let mut connection = Connection::to(port).await;
            let mut latencies = Vec::new();
            while begun.elapsed() < each {
                let head = heads.next().unwrap();
                let request = format!("PUT /api/v1/pireps/{} HTTP/1.1\r\n{head}", Uuid::new_v4());
                let asked = Instant::now();
                assert_eq!(connection.ask(request.as_bytes()).await, 201);
                latencies.push(asked.elapsed());
            }
            latencies
        })
    };
    let running: Vec<_> = keys.chunks(KEYS_EACH).map(one).collect();
    let mut latencies = Vec::new();
    for client in running {
        latencies.extend(client.await.unwrap());
    }
    latencies
}

/// Processor time of the process and of its server.
async fn spent(process: &Process, url: &str) -> Duration {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let backend = sqlx::query_scalar::<_, i32>("SELECT pg_backend_pid()");
    let backend = backend.fetch_one(&mut connection).await.unwrap();
    let server = processor::parent_of(&backend.to_string()).unwrap();
    let spent = processor::of(process.id()) + processor::of_family(server);
    connection.close().await.unwrap();
    spent
}
