//! A PostgreSQL that a test may kill, apart from the servers that all tests share.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::servers::{Database, postgres, start};

/// One at a time on this machine; whoever comes next removes what a killed test left.
pub struct PrivatePostgres {
    directory: PathBuf,
    url: String,
    /// Released by the kernel when this process ends, however it ends.
    _alone: File,
}

impl PrivatePostgres {
    /// Takes some seconds, and longer while another test has one.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start() -> Self {
        let started = tokio::task::spawn_blocking(start_alone).await;
        started
            .expect("starting does not panic")
            .unwrap_or_else(|error| panic!("the test needs a PostgreSQL of its own: {error}"))
    }

    /// A new, empty database.
    ///
    /// # Panics
    /// When it gives none.
    pub async fn database(&self) -> Database {
        postgres::create(&self.url)
            .await
            .unwrap_or_else(|error| panic!("PostgreSQL gives no database: {error}"))
    }

    /// Ends its first process as the kernel does; the others notice and follow.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&self) {
        let file = self.directory.join("postgres.pid");
        let id = fs::read_to_string(file).expect("it was started");
        let id = id.split_whitespace().next().unwrap_or_default();
        let killed = Command::new("kill").args(["-s", "KILL", id]).status();
        assert!(killed.expect("kill runs").success(), "it runs");
    }

    /// Starts it again, on the same port; it recovers from its write-ahead log.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn restart(&self) {
        if let Err(error) = start::run(&self.directory, &["up", "postgres"]) {
            panic!("PostgreSQL does not come back: {error}");
        }
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        if let Err(error) = start::run(&self.directory, &["down"]) {
            eprintln!("a PostgreSQL stays behind: {error}");
        }
    }
}

fn start_alone() -> Result<PrivatePostgres, String> {
    let directory = start::directory().with_extension("private");
    let alone = lock(&directory)?;
    start::run(&directory, &["down"])?;
    start::run(&directory, &["up", "postgres"])?;
    let mut addresses = start::told(&directory)?;
    Ok(PrivatePostgres {
        url: addresses
            .remove("DATABASE_URL")
            .ok_or("it has no address")?,
        directory,
        _alone: alone,
    })
}

fn lock(directory: &Path) -> Result<File, String> {
    let file = directory.with_extension("private-user");
    let describe = |error| format!("{}: {error}", file.display());
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).map_err(describe)?;
    }
    let alone = File::create(&file).map_err(describe)?;
    alone.lock().map_err(describe)?;
    Ok(alone)
}
