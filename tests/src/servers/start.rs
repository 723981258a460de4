//! Finds the servers that were given, or starts those of `tests/cluster/servers` and shares them between processes.
#![allow(
    clippy::disallowed_methods,
    reason = "the test run is configured by its environment"
)]

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const ADDRESSES: [&str; 4] = [
    "DATABASE_URL",
    "AMQP_URL",
    "RABBITMQ_MANAGEMENT_URL",
    "REDIS_URL",
];
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cluster/servers");
const LINGER: &str = include_str!("linger.sh");

pub struct Started {
    addresses: BTreeMap<String, String>,
    /// Keeps the servers up; none when all of them were given.
    pub in_use: Option<File>,
}

impl Started {
    pub fn address(&self, name: &str) -> Result<String, String> {
        self.addresses
            .get(name)
            .cloned()
            .ok_or_else(|| format!("{SCRIPT} told no {name}"))
    }
}

/// Blocks for some seconds when it has to start them.
pub fn addresses() -> Result<Started, String> {
    let given: BTreeMap<String, String> = ADDRESSES
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?)))
        .collect();
    if given.len() == ADDRESSES.len() {
        return Ok(Started {
            addresses: given,
            in_use: None,
        });
    }
    let directory = directory();
    let in_use = hold(&directory)?;
    run(&directory, &["up"])?;
    let mut addresses = told(&directory)?;
    addresses.extend(given);
    linger(&directory)?;
    Ok(Started {
        addresses,
        in_use: Some(in_use),
    })
}

/// The addresses of the servers in a directory, by the name of their variable.
pub fn told(directory: &Path) -> Result<BTreeMap<String, String>, String> {
    let told = run(directory, &["env"])?;
    let addresses = told.lines().filter_map(|line| line.split_once('='));
    Ok(addresses
        .map(|(name, address)| (name.to_owned(), address.to_owned()))
        .collect())
}

/// Beside the servers that `make cluster` uses. Root's home would be closed to PostgreSQL's user.
pub fn directory() -> PathBuf {
    if let Ok(directory) = env::var("ALBATROSS_SERVERS_DIR") {
        return PathBuf::from(directory);
    }
    let root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    let state = match env::var("HOME") {
        _ if root => PathBuf::from("/var/lib"),
        Ok(home) => Path::new(&home).join(".local/state"),
        Err(_) => env::temp_dir(),
    };
    state.join("albatross/test-servers")
}

/// A shared lock that the kernel releases when this process ends, however it ends.
fn hold(directory: &Path) -> Result<File, String> {
    let file = directory.with_extension("users");
    let describe = |error| format!("{}: {error}", file.display());
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).map_err(describe)?;
    }
    let users = File::create(&file).map_err(describe)?;
    users.lock_shared().map_err(describe)?;
    Ok(users)
}

pub fn run(directory: &Path, task: &[&str]) -> Result<String, String> {
    run_version(directory, task, None)
}

/// `postgres`: the version of one that does not exist yet; Debian's, or the one of the environment, if none.
pub fn run_version(
    directory: &Path,
    task: &[&str],
    postgres: Option<&str>,
) -> Result<String, String> {
    let output = Command::new(SCRIPT)
        .args(task)
        .env("ALBATROSS_SERVERS_DIR", directory)
        .envs(postgres.map(|version| ("ALBATROSS_POSTGRES", version)))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{SCRIPT}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!(
            "{SCRIPT} {}: {}\n{}",
            task.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

/// Leaves a process behind that ends the servers when nobody has used them for a while.
fn linger(directory: &Path) -> Result<(), String> {
    let status = Command::new("setsid")
        .args(["--fork", "bash", "-c", LINGER, "linger"])
        .args([
            directory.with_extension("users"),
            directory.with_extension("linger"),
        ])
        .arg(SCRIPT)
        .env("ALBATROSS_SERVERS_DIR", directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("setsid: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("setsid: {status}"))
    }
}
