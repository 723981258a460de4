//! A number of tenants: how long until all are ready, beside a bare client, and what each of them cost.

use std::time::Duration;

use albatross_tests::bench::processor;
use albatross_tests::bench::table::{Bar, Table};
use tokio::time::Instant;

use crate::bare::Bare;
use crate::capsule::{self, Run};
use crate::fleet::Fleet;
use crate::restart::{self, Restart};

/// Of [`Step::row`].
pub const COLUMNS: &str = "\n## How it grows\n\nThose that were added, each: processor time of the operator, and of the API server with its etcd and controllers.\n\n\
    | tenants | s | bare client, s | CPU operator, ms | CPU API server, ms | requests | writes | objects | operator, MiB | restart, s | requests of a restart |\n\
    |---|---|---|---|---|---|---|---|---|---|---|\n";

pub struct Step {
    size: usize,
    added: f64,
    applied: Duration,
    ours: Duration,
    bare: Duration,
    operator: Duration,
    control_plane: Duration,
    requests: usize,
    writes: usize,
    objects: usize,
    mebibytes: f64,
    /// Of the process that added them.
    peak: f64,
    restart: Restart,
}

pub async fn measure(fleet: &mut Fleet<'_>, bare: &Bare, size: usize) -> Step {
    let added = size - fleet.names.len();
    eprintln!("{size} tenants, {added} of them new");
    let process = fleet.operator().process.id();
    let control = fleet.platform.api_server.id();
    let spent = || (processor::of(process), processor::of_family(control));
    let before = spent();
    let ours = fleet.add(added).await;
    fleet.settled().await;
    let after = spent();
    let asked = fleet.log.take();
    asked.tell();
    let grown = processor::resident_mebibytes(process);
    let peak = processor::peak_mebibytes(process);
    let (bare, restart) = restart::measure(fleet, async || {
        let begun = Instant::now();
        let bare = bare.send(&size.to_string(), added).await;
        eprintln!(
            "bare client: {:.1} s of {:.1} s",
            bare.as_secs_f64(),
            begun.elapsed().as_secs_f64()
        );
        bare
    })
    .await;
    Step {
        size,
        added: added as f64,
        applied: ours.applied,
        ours: ours.ready,
        bare,
        operator: after.0 - before.0,
        control_plane: after.1 - before.1,
        requests: asked.requests,
        writes: asked.writes,
        objects: asked.objects,
        mebibytes: grown.max(restart.mebibytes),
        peak,
        restart,
    }
}

impl Step {
    pub fn row(&self) -> Vec<String> {
        let each = |count: usize| format!("{:.1}", count as f64 / self.added);
        let milliseconds = |time: Duration| format!("{:.0}", time.as_secs_f64() * 1e3 / self.added);
        vec![
            self.size.to_string(),
            format!("{:.1}", self.ours.as_secs_f64()),
            format!("{:.1}", self.bare.as_secs_f64()),
            milliseconds(self.operator),
            milliseconds(self.control_plane),
            each(self.requests),
            each(self.writes),
            each(self.objects),
            format!("{:.0}", self.mebibytes),
            format!("{:.1}", self.restart.elapsed.as_secs_f64()),
            self.restart.requests.to_string(),
        ]
    }
}

/// The bars are about the most of them.
pub fn judge(table: &mut Table, steps: &[Step]) {
    let Some(last) = steps.last() else { return };
    let size = last.size;
    let total = |of: fn(&Step) -> Duration| -> f64 {
        steps.iter().map(|step| of(step).as_secs_f64()).sum()
    };
    let what = format!("{size} tenants ÷ the same objects and servers by a bare client");
    let times = [total(|it| it.ours), total(|it| it.bare)];
    table.beside(&what, [&times[..1], &times[1..]], "s", Bar::AtMost(1.3));
    let what = format!("{size} tenants: resident memory");
    table.figure(&what, last.mebibytes, "MiB", Bar::AtMost(80.0));
    let what = format!("restart with {size} tenants → idle");
    let restart = &last.restart;
    table.figure(&what, restart.elapsed.as_secs_f64(), "s", Bar::AtMost(10.0));
    let what = format!("restart with {size} tenants: writes");
    table.figure(&what, restart.writes as f64, "writes", Bar::AtMost(0.0));
    let what = "a clean stop releases the Lease";
    table.figure(
        what,
        f64::from(u8::from(restart.released)),
        "(1: yes)",
        Bar::AtLeast(1.0),
    );
    let count = |of: fn(&Step) -> usize| -> f64 { steps.iter().map(of).sum::<usize>() as f64 };
    let what = "writes per tenant created ÷ objects made";
    let ratio = count(|it| it.writes) / count(|it| it.objects);
    table.figure(what, ratio, "", Bar::AtMost(1.5));
}

/// How many all of them added.
pub fn added(steps: &[Step]) -> usize {
    steps.iter().map(|step| step.added as usize).sum()
}

/// As many, by Capsule.
pub fn compare(table: &mut Table, steps: &[Step], capsule: &Run) {
    let sum = |of: fn(&Step) -> f64| -> f64 { steps.iter().map(of).sum() };
    let most = steps.iter().map(|step| step.peak).fold(0.0, f64::max);
    let begun = format!("{} tenants ÷ {}", added(steps), capsule::version());
    let what = format!("{begun}: time until their objects exist");
    let times = [
        sum(|it| it.applied.as_secs_f64()),
        capsule.applied.as_secs_f64(),
    ];
    table.beside(&what, [&times[..1], &times[1..]], "s", Bar::None);
    let what = format!("{begun}: each ÷ its own objects, and servers, by a bare client");
    let ours = sum(|it| it.ours.as_secs_f64()) / sum(|it| it.bare.as_secs_f64());
    let theirs = capsule.applied.as_secs_f64() / capsule.bare.as_secs_f64();
    // Ours makes three times the objects, and databases: what a bare client takes for each measures them alike.
    table.beside(&what, [&[ours], &[theirs]], "", Bar::AtMost(0.2));
    let what = format!("{begun}: memory, the most that was resident");
    let peaks = [most, capsule.peak];
    table.beside(&what, [&peaks[..1], &peaks[1..]], "MiB", Bar::AtMost(0.5));
    let what = format!("{begun}: processor time");
    let spent = [
        sum(|it| it.operator.as_secs_f64()),
        capsule.processor.as_secs_f64(),
    ];
    table.beside(&what, [&spent[..1], &spent[1..]], "s", Bar::AtMost(0.25));
    let what = format!("{begun}: writes for each object made");
    let writes = [
        sum(|it| it.writes as f64) / sum(|it| it.objects as f64),
        capsule.writes,
    ];
    table.beside(&what, [&writes[..1], &writes[1..]], "", Bar::None);
}
