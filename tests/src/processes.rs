//! The real executable as a process: started, awaited, and ended by its id even when a test panics.

mod ports;
mod site;

use std::env;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::wait::recovered;

pub use self::ports::free_port;
pub use self::site::Site;

/// A command that runs the executable. The kernel kills what it starts when the thread that started it ends:
/// a test run that is killed leaves no process behind.
///
/// # Panics
/// When the test does not run from a target directory.
pub fn albatross(arguments: &[&str]) -> Command {
    command(&path("albatross-under-test"), arguments)
}

/// The same for the operator.
///
/// # Panics
/// When the test does not run from a target directory.
pub fn operator(arguments: &[&str]) -> Command {
    command(&path("albatross-operator-under-test"), arguments)
}

/// The same for any other.
pub fn command(executable: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(executable)
        .args(arguments);
    command
}

/// Runs the executable to its end.
///
/// # Panics
/// When it cannot be started.
pub fn run(arguments: &[&str]) -> Output {
    let output = albatross(arguments).stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("setpriv (util-linux) is needed: {error}"))
}

/// Cargo puts a package's executables beside the folder of its test binaries, and builds them first.
fn path(executable: &str) -> PathBuf {
    let test = env::current_exe().expect("a process has an executable");
    let folder = test.parent().and_then(|deps| deps.parent());
    let executable = folder
        .expect("tests run from target/PROFILE/deps")
        .join(executable);
    assert!(
        executable.exists(),
        "{} is missing: run the tests by cargo",
        executable.display()
    );
    executable
}

/// A process that ends with this value.
pub struct Process {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

/// How a process ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Process {
    /// # Panics
    /// When it cannot be started.
    pub fn start(mut command: Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Stream::read(child.stdout.take().expect("piped"));
        let stderr = Stream::read(child.stderr.take().expect("piped"));
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// What it has written to standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// # Panics
    /// When the system does not tell.
    pub fn has_ended(&mut self) -> bool {
        let ended = self.child.try_wait().expect("a child can be asked");
        ended.is_some()
    }

    /// Returns once the process answers `GET url` with `status`.
    ///
    /// # Panics
    /// When it ends instead, or does not answer in time.
    pub async fn answers(&mut self, url: &str, status: u16) {
        let client = reqwest::Client::new();
        recovered("the process answers", async || {
            assert!(!self.has_ended(), "it ended instead: {}", self.stderr());
            let answer = client.get(url).send().await;
            answer.is_ok_and(|answer| answer.status() == status)
        })
        .await;
    }

    /// Ends it as Ctrl-C does.
    pub async fn interrupt(self) -> Ended {
        self.signal("INT");
        self.ended().await
    }

    /// Ends it as a node ends a pod.
    pub async fn terminate(self) -> Ended {
        self.signal("TERM");
        self.ended().await
    }

    /// Ends it as the kernel does: at once, wherever it is.
    pub fn kill(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn ended(mut self) -> Ended {
        recovered("the process ends", async || self.has_ended()).await;
        self.tell()
    }

    /// Sends it a signal, by the name without `SIG`.
    ///
    /// # Panics
    /// When it has ended.
    pub fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(
            sent.expect("kill runs").success(),
            "the process is there to be signalled"
        );
    }

    fn tell(&mut self) -> Ended {
        Ended {
            status: self.child.wait().expect("it has ended"),
            stdout: self.stdout.whole(),
            stderr: self.stderr.whole(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let said = self.stdout() + &self.stderr();
            let lines: Vec<&str> = said.lines().collect();
            let last = &lines[lines.len().saturating_sub(50)..];
            eprintln!("a process said last:\n{}", last.join("\n"));
        }
    }
}

/// What a process writes, read as it comes, so that it never waits for a reader.
struct Stream {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn read(mut from: impl Read + Send + 'static) -> Self {
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let written = text.clone();
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                let mut text = written.lock().unwrap_or_else(PoisonError::into_inner);
                text.extend_from_slice(&buffer[..count]);
            }
        });
        Self {
            text,
            reader: Some(reader),
        }
    }

    fn text(&self) -> String {
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// All of it, once the process has ended.
    fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reading does not panic");
        }
        self.text()
    }
}
