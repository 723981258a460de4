//! What PostgreSQL can do when nothing is promised: `pgbench`, one row an insert, into a table of the same shape.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::NamedTempFile;
use tokio::process::Command;

use crate::append::{ACTOR, PAYLOAD_BYTES};
use crate::load::Run;

/// The payload comes from the client, as ours does.
const INSERT: &str = "INSERT INTO bench.events VALUES (nextval('bench.position'), gen_random_uuid(), 1, 1, 1::smallint, \
     gen_random_uuid(), gen_random_uuid(), NULL, NULL, :actor, to_timestamp(0), :payload);\n";

pub struct Pgbench {
    url: String,
    script: NamedTempFile,
}

impl Pgbench {
    pub async fn prepare(url: &str) -> Self {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let statements = "CREATE SCHEMA bench; CREATE SEQUENCE bench.position; \
            CREATE TABLE bench.events (LIKE log.events INCLUDING ALL) WITH (fillfactor = 100); \
            CREATE TABLE bench.copied (LIKE log.events INCLUDING ALL) WITH (fillfactor = 100)";
        sqlx::raw_sql(AssertSqlSafe(statements))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let script = NamedTempFile::new().unwrap();
        std::fs::write(script.path(), INSERT).unwrap();
        Self {
            url: url.to_owned(),
            script,
        }
    }

    pub async fn run(&self, clients: usize, each: Duration) -> Run {
        let folder = tempfile::tempdir().unwrap();
        let payload = format!("payload=\\x{}", "07".repeat(PAYLOAD_BYTES));
        let output = Command::new(program())
            .args(["--no-vacuum", "--protocol", "prepared"])
            .args(["--client", &clients.to_string()])
            .args(["--jobs", &clients.min(2).to_string()])
            .args(["--time", &each.as_secs().max(1).to_string(), "--file"])
            .arg(self.script.path())
            .args(["--define", &payload])
            .args(["--define", &format!("actor={ACTOR}"), "--log"])
            .arg("--log-prefix")
            .arg(folder.path().join("transactions"))
            .arg(&self.url)
            .output()
            .await
            .unwrap();
        let latencies = latencies(folder.path());
        let events = latencies.len() as u64;
        // Its rate leaves out the time it took to connect, as ours does.
        let elapsed = Duration::from_secs_f64(events as f64 / rate(&output));
        Run {
            elapsed,
            events,
            latencies,
        }
    }
}

/// One line a transaction; its third word is the time it took, in microseconds.
fn latencies(folder: &Path) -> Vec<Duration> {
    let files = std::fs::read_dir(folder).unwrap().flatten();
    let texts: Vec<_> = files
        .map(|file| std::fs::read_to_string(file.path()).unwrap())
        .collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    let times = lines.filter_map(|line| line.split(' ').nth(2)?.parse().ok());
    times.map(Duration::from_micros).collect()
}

/// Debian keeps it beside the server.
fn program() -> String {
    let mut found: Vec<String> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin/pgbench").display().to_string())
        .filter(|path| std::path::Path::new(path).exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| "pgbench".to_owned())
}

fn rate(output: &Output) -> f64 {
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find_map(|line| line.strip_prefix("tps = "));
    let rate = line.and_then(|line| line.split(' ').next()?.parse().ok());
    rate.unwrap_or_else(|| panic!("pgbench: {}", String::from_utf8_lossy(&output.stderr)))
}
