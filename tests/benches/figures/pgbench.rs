//! What PostgreSQL can do when nothing is promised: `pgbench`, one row an insert, into a table of the same shape.

use std::process::Output;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::NamedTempFile;
use tokio::process::Command;

use crate::append::PAYLOAD_BYTES;

pub struct Pgbench {
    url: String,
    script: NamedTempFile,
}

impl Pgbench {
    pub async fn prepare(url: &str) -> Self {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let statements = "CREATE SCHEMA bench; CREATE SEQUENCE bench.position; \
            CREATE TABLE bench.events (LIKE log.events INCLUDING ALL) WITH (fillfactor = 100)";
        sqlx::raw_sql(AssertSqlSafe(statements))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let payload = "07".repeat(PAYLOAD_BYTES);
        let insert = format!(
            "INSERT INTO bench.events VALUES (nextval('bench.position'), gen_random_uuid(), 1, 1, 1::smallint, \
             gen_random_uuid(), gen_random_uuid(), NULL, NULL, 'user:bench', now(), '\\x{payload}');\n"
        );
        let script = NamedTempFile::new().unwrap();
        std::fs::write(script.path(), insert).unwrap();
        Self {
            url: url.to_owned(),
            script,
        }
    }

    pub async fn inserts_per_second(&self, clients: usize, each: Duration) -> f64 {
        let output = Command::new(program())
            .args(["--no-vacuum", "--protocol", "prepared"])
            .args(["--client", &clients.to_string(), "--jobs", "2"])
            .args(["--time", &each.as_secs().max(1).to_string(), "--file"])
            .arg(self.script.path())
            .arg(&self.url)
            .output()
            .await
            .unwrap();
        rate(&output)
    }
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
