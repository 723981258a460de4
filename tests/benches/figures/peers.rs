//! Other event stores in Rust, each with a database of its own in the same server or a directory: the executable of `tests/bench`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use albatross_tests::servers::servers;
use tokio::process::Command;

use crate::load::Run;

/// Those on PostgreSQL, by the names of their crates.
const ON_POSTGRES: [&str; 4] = [
    "postgres-es",
    "esrs",
    "disintegrate-postgres",
    "eventcore-postgres",
];
/// Those that keep files of their own, and the number of clients with which each is measured.
const EMBEDDED: [(&str, usize); 3] = [
    ("eventcore-sqlite", 1),
    ("umadb-core", 64),
    ("sierradb", 64),
];
const LOCK: &str = include_str!("../../bench/Cargo.lock");

/// How they are measured, for the reader of the table.
pub const NOTES: [&str; 4] = [
    "Other event stores: the same payload, the same server or disk, and as here each event begins a stream that must be new and is \
     synced before it is answered. Each is in a process of its own with one connection a client, and nothing is loaded first.",
    "disintegrate-postgres appends in serializable transactions; one that PostgreSQL refuses for another's sake is repeated. Its \
     tables are made by hand, as its migration has a literal that PostgreSQL reads from version 16 on.",
    "umadb-core and sierradb are the engines of UmaDB and SierraDB, within the process as SQLite is: without their servers and the \
     network. umadb-core has its default settings; sierradb syncs each millisecond or after 2 KiB, with which 64 clients get \
     furthest. One would wait for that timer each time.",
    "postgres-es replays as many events as our log has, each of the mean size of ours.",
];

pub struct Peer {
    /// With the version that was built.
    pub name: String,
    /// Keeps files of its own: to be compared with ours on SQLite.
    pub embedded: bool,
    pub clients: Vec<usize>,
    package: &'static str,
    /// The URL of a database or a directory.
    place: String,
}

/// Those that the executable at `ALBATROSS_PEERS` knows, which `make bench` builds; none without it.
pub async fn all(directory: &Path) -> Vec<Peer> {
    if executable().is_none() {
        return Vec::new();
    }
    let mut peers = Vec::new();
    for package in ON_POSTGRES {
        peers.push(Peer::on_postgres(package, vec![1, 64]).await);
    }
    for (package, clients) in EMBEDDED {
        let place = directory.join(package);
        std::fs::create_dir_all(&place).unwrap();
        let place = place.display().to_string();
        peers.push(Peer::new(package, place, true, vec![clients]));
    }
    peers
}

/// The one that replays a log, if the executable is there.
pub async fn replaying() -> Option<Peer> {
    executable()?;
    Some(Peer::on_postgres("postgres-es", Vec::new()).await)
}

impl Peer {
    async fn on_postgres(package: &'static str, clients: Vec<usize>) -> Self {
        let url = servers().await.database().await.url;
        Self::new(package, url, false, clients)
    }

    fn new(package: &'static str, place: String, embedded: bool, clients: Vec<usize>) -> Self {
        Self {
            name: format!("{package} {}", version(package)),
            embedded,
            clients,
            package,
            place,
        }
    }

    pub async fn append(&self, clients: usize, each: Duration) -> Run {
        let seconds = each.as_secs().max(1);
        let mut times = self.ask("append", [clients as u64, seconds]).await;
        let elapsed = times.remove(0);
        Run {
            elapsed,
            events: times.len() as u64,
            latencies: times,
        }
    }

    /// Events a second of a log with so many events of so many bytes, which it stores first when it has none.
    pub async fn replay(&self, [events, bytes]: [u64; 2]) -> f64 {
        let times = self.ask("replay", [events, bytes]).await;
        events as f64 / times[0].as_secs_f64()
    }

    async fn ask(&self, what: &str, numbers: [u64; 2]) -> Vec<Duration> {
        let output = Command::new(executable().unwrap())
            .args([what, self.package, &self.place])
            .args(numbers.map(|number| number.to_string()))
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", self.name);
        let told = String::from_utf8(output.stdout).unwrap();
        // UmaDB says there as well how it was opened.
        let times = told.lines().filter_map(|line| line.parse().ok());
        times.map(Duration::from_micros).collect()
    }
}

/// What `tests/bench` locks.
fn version(package: &str) -> &'static str {
    let begin = format!("name = \"{package}\"\nversion = \"");
    let (_, rest) = LOCK.split_once(&begin).unwrap();
    rest.split_once('"').unwrap().0
}

fn executable() -> Option<PathBuf> {
    std::env::var_os("ALBATROSS_PEERS").map(PathBuf::from)
}
