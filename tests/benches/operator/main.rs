//! What the operator promises at scale, measured: `make bench-operator`.
//!
//! The API server, its controllers and the servers are real; that pods run is said, and runtimes answer, by stand-ins, but for
//! the rotation under load, whose runtime is real.
//! `TENANTS` (100,300,1000) sets how many there are, step by step; `ROUNDS` how often one alone is measured.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a bench may fail, measures time and is configured by its environment"
)]

mod asked;
mod bare;
mod capsule;
mod fleet;
mod quiet;
mod restart;
mod rotation;
mod seen;
mod single;
mod step;

use std::str::FromStr;

use albatross_tests::bench::table::Table;
use albatross_tests::platform::{Platform, Setting};

use crate::bare::Bare;
use crate::capsule::Capsule;
use crate::fleet::Fleet;

#[tokio::main]
async fn main() {
    let sizes = from_environment::<String>("TENANTS").unwrap_or("100,300,1000".to_owned());
    let sizes: Vec<usize> = sizes.split(',').map(|size| size.parse().unwrap()).collect();
    let rounds = from_environment("ROUNDS").unwrap_or(5);
    let mut table = Table::new(
        "benchmarks-operator.md",
        "make bench-operator",
        step::COLUMNS,
    );
    rotation::measure(&mut table).await;
    let setting = Setting {
        log: "info",
        ..Setting::straight().await
    };
    let platform = Platform::with(setting).await;
    let bare = Bare::new(&platform).await;
    let mut fleet = Fleet::new(&platform).await;
    single::measure(&mut table, &mut fleet, &bare, rounds).await;
    let mut steps = Vec::new();
    for size in sizes {
        let step = step::measure(&mut fleet, &bare, size).await;
        table.detail(step.row());
        steps.push(step);
    }
    step::judge(&mut table, &steps);
    quiet::measure(&mut table, &mut fleet).await;
    fleet.end().await;
    if let Some(capsule) = Capsule::start().await {
        let run = capsule.send(step::added(&steps)).await;
        step::compare(&mut table, &steps, &run);
        for note in capsule::NOTES {
            table.note(note);
        }
    }
    table.note(
        "Ours and the bare client send the same objects to one API server and have the same databases, vhosts and users \
         made, in turn, each on a RabbitMQ of its own, which takes longer for a vhost the more it has: the time until \
         every airline's pods are available, which is said of them at once. kube-controller-manager makes pods of \
         Deployments and Jobs; no node runs them.",
    );
    table.note(
        "Writes, requests and objects are those of the API server's audit log, the Lease aside.",
    );
    table.finish();
}

fn from_environment<T: FromStr>(name: &str) -> Option<T> {
    let value = std::env::var(name).ok()?;
    match value.parse() {
        Ok(value) => Some(value),
        Err(_) => panic!("{name}={value} is not valid"),
    }
}
