//! `albatross up` with one airline: from start to the first answer, and what it holds in memory while idle.

use std::time::{Duration, Instant};

use albatross_tests::processes::Site;

use crate::Effort;
use crate::table::{Bar, Table, median};

/// A process that has nothing to do has settled by then.
const SETTLED: Duration = Duration::from_secs(3);

pub async fn measure(table: &mut Table, effort: Effort) {
    let site = Site::of(&[
        "00-namespace.yaml",
        "10-skyways.yaml",
        "20-skyways-acars.yaml",
    ]);
    // The first start makes files and keys; the figure is a later start's.
    drop(site.up().await);
    let (mut milliseconds, mut mebibytes) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let start = Instant::now();
        let process = site.up().await;
        milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(SETTLED).await;
        mebibytes.push(resident_mebibytes(process.id()));
    }
    table.figure(
        "up, one airline: start to the first answer",
        median(milliseconds),
        "ms",
        Bar::AtMost(150.0),
    );
    table.figure(
        "up, one airline: resident while idle, before any log-in",
        median(mebibytes),
        "MiB",
        Bar::AtMost(25.0),
    );
}

/// As the kernel counts it: proc(5), `VmRSS`.
fn resident_mebibytes(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: f64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kibibytes / 1024.0
}
