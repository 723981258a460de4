//! The cluster as its users see it: through `kubectl`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

const ASKED_AGAIN: usize = 30;
const PAUSE: Duration = Duration::from_secs(2);

/// Runs `kubectl` with the `KUBECONFIG` of the environment and returns what it printed.
///
/// # Panics
/// When it fails, with what it said.
pub fn kubectl(arguments: &[&str]) -> String {
    let mut output = attempt(arguments);
    // Whoever only reads may ask again: an API server that is slow for a moment is nobody's fault.
    for _ in 0..ASKED_AGAIN {
        if !arguments.contains(&"get") || !is_out_for_a_moment(&output) {
            break;
        }
        std::thread::sleep(PAUSE);
        output = attempt(arguments);
    }
    assert!(
        output.status.success(),
        "kubectl {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn is_out_for_a_moment(output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    let slow = [
        "connection refused",
        "handshake timeout",
        "i/o timeout",
        "unable to handle the request",
        "request timed out",
        "etcdserver",
    ];
    !output.status.success() && slow.iter().any(|words| said.contains(words))
}

/// Runs `kubectl`, whatever comes of it.
///
/// # Panics
/// When there is no `kubectl`: these tests want a cluster, which `make test` brings.
pub fn attempt(arguments: &[&str]) -> Output {
    Command::new("kubectl")
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("kubectl is needed (make test brings it): {error}"))
}

/// The same with an object that is handed over, as in `kubectl create --filename -`.
///
/// # Panics
/// When there is no `kubectl`, or it does not read the object.
pub fn attempt_with(object: &Value, arguments: &[&str]) -> Output {
    let process = Command::new("kubectl")
        .args(arguments)
        .args(["--filename", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut process = process.expect("kubectl runs");
    let mut stdin = process.stdin.take().expect("piped");
    let text = object.to_string();
    stdin.write_all(text.as_bytes()).expect("kubectl reads");
    drop(stdin);
    process.wait_with_output().expect("kubectl ends")
}

/// An object of the cluster as JSON; `name` is `kind/name`.
///
/// # Panics
/// When it is not there.
pub fn object(namespace: &str, name: &str) -> Value {
    let json = kubectl(&["--namespace", namespace, "get", name, "--output", "json"]);
    serde_json::from_str(&json).expect("kubectl prints JSON")
}

/// The data of a Secret, decoded.
///
/// # Panics
/// When there is no such Secret or its data is not text.
pub fn secret(namespace: &str, name: &str) -> Vec<(String, String)> {
    let secret = object(namespace, &format!("secret/{name}"));
    let data = secret["data"].as_object().expect("a Secret has data");
    let decode = |value: &Value| {
        let bytes = BASE64_STANDARD.decode(value.as_str().expect("data is text"));
        String::from_utf8(bytes.expect("data is base64")).expect("what we store is text")
    };
    data.iter()
        .map(|(key, value)| (key.clone(), decode(value)))
        .collect()
}

/// A port of a Service, or of a pod, on this machine, until it is dropped.
pub struct PortForward {
    process: Child,
    pub port: u16,
}

impl PortForward {
    /// `name` is `service/name` or `pod/name`.
    ///
    /// # Panics
    /// When there is no pod that could answer.
    pub fn to(namespace: &str, name: &str, port: u16) -> Self {
        let mut process = Command::new("kubectl")
            .args(["--namespace", namespace, "port-forward"])
            .args([name, &format!(":{port}")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("kubectl runs");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let first = lines.next().and_then(Result::ok).unwrap_or_default();
        let local = first
            .split(" -> ")
            .next()
            .and_then(|it| it.rsplit(':').next())
            .and_then(|it| it.parse().ok());
        // Goes on reading, so that kubectl never writes into a closed pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let Some(port) = local else {
            panic!("no port-forward to {name} of {namespace}: {first:?}");
        };
        Self { process, port }
    }
}

impl Drop for PortForward {
    fn drop(&mut self) {
        // It may have ended by itself with its pod; either way it is gone now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
