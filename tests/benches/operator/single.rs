//! One tenant: from its declaration to its pods, beside a bare client, and what one transition costs.

use albatross_tests::bench::table::{Bar, Table, median};
use serde_json::json;

use crate::bare::Bare;
use crate::fleet::Fleet;

pub async fn measure(table: &mut Table, fleet: &mut Fleet<'_>, bare: &Bare, rounds: usize) {
    let (mut ours, mut beyond) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let own = fleet.add(1).await.ready.as_secs_f64();
        let theirs = bare.send(&format!("alone-{round}"), 1).await.as_secs_f64();
        eprintln!("one tenant: {own:.2} s, by a bare client {theirs:.2} s");
        ours.push(own);
        beyond.push(own - theirs);
    }
    let what = "create → Ready, one tenant, pods said to run at once";
    table.figure(what, median(&ours), "s", Bar::None);
    let what = "create → Ready, one tenant, beyond what a bare client takes for the same";
    table.figure(what, median(&beyond), "s", Bar::AtMost(1.0));
    fleet.settled().await;
    fleet.log.take();
    transition(table, fleet).await;
}

/// From Available to RollingOut and back.
const TRANSITIONS: f64 = 2.0;

/// One pod more: the tenant is not Ready, and is again.
async fn transition(table: &mut Table, fleet: &mut Fleet<'_>) {
    let name = fleet.names[0].clone();
    let change = json!({"api": {"replicas": 2}});
    fleet.platform.change(&name, change).await;
    fleet.platform.ready(&name).await;
    fleet.settled().await;
    let asked = fleet.log.take();
    asked.tell();
    let patches = asked.status_patches as f64 / TRANSITIONS;
    let what = "status patches per transition, from one pod to two";
    table.figure(what, patches, "patches", Bar::AtMost(1.0));
}
