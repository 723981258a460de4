//! What GitOps tools make of objects: kstatus (Flux, `kubectl` plugins) and the health check for Argo CD.

use std::io::Write;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gitops");
const HEALTH_CHECK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/argocd/health.lua");

/// How an object is doing, as its tools see it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Verdict {
    /// InProgress, Current, Failed or Terminating.
    pub kstatus: String,
    /// Healthy, Progressing, Degraded or Suspended.
    pub argocd: String,
    /// What Argo CD shows beside it.
    pub message: String,
}

/// The verdict on each object.
///
/// # Panics
/// When the program cannot be built, which takes Go, or refuses an object.
pub fn judge(objects: &[Value]) -> Vec<Verdict> {
    let mut program = Command::new("go")
        .args(["run", ".", HEALTH_CHECK])
        .current_dir(PROGRAM)
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("Go 1.26 or newer is needed: {error}"));
    let input = serde_json::to_vec(objects).expect("objects are JSON");
    let mut stdin = program.stdin.take().expect("piped");
    let writing = std::thread::spawn(move || stdin.write_all(&input));
    let output = program.wait_with_output().expect("it ends");
    assert!(output.status.success(), "what it says is above");
    writing.join().expect("no panic").expect("it reads all");
    serde_json::from_slice(&output.stdout).expect("a verdict on each object")
}
