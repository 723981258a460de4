//! Other event stores in Rust, each with a database of its own in the same server: the executable of `tests/bench`.

use std::path::PathBuf;
use std::time::Duration;

use albatross_tests::servers::servers;
use tokio::process::Command;

use crate::load::Run;

pub struct Peer {
    pub name: String,
    url: String,
}

/// Those that the executable at `ALBATROSS_PEERS` knows, which `make bench` builds; none without it.
pub async fn all() -> Vec<Peer> {
    let Some(executable) = executable() else {
        return Vec::new();
    };
    let listed = Command::new(executable).arg("--list").output().await;
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let mut peers = Vec::new();
    for name in listed.lines() {
        peers.push(Peer {
            name: name.to_owned(),
            url: servers().await.database().await.url,
        });
    }
    peers
}

impl Peer {
    pub async fn run(&self, clients: usize, each: Duration) -> Run {
        let output = Command::new(executable().unwrap())
            .arg(&self.name)
            .arg(&self.url)
            .arg(clients.to_string())
            .arg(each.as_secs().max(1).to_string())
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", self.name);
        let told = String::from_utf8(output.stdout).unwrap();
        let mut times = told
            .lines()
            .map(|line| Duration::from_micros(line.parse().unwrap()));
        let elapsed = times.next().unwrap();
        let latencies: Vec<Duration> = times.collect();
        Run {
            elapsed,
            events: latencies.len() as u64,
            latencies,
        }
    }
}

fn executable() -> Option<PathBuf> {
    std::env::var_os("ALBATROSS_PEERS").map(PathBuf::from)
}
