//! `albatross up`: what of it outlives its process, that is its manifests, its data and its address.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::airline::Caller;
use crate::processes::{Ended, Process, albatross, free_port, run};
use crate::wait::until;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

pub struct Site {
    /// Manifests and data, removed in the end.
    folder: TempDir,
    pub port: u16,
}

impl Site {
    /// A place for the airlines of these files of `examples/`.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn of(examples: &[&str]) -> Self {
        let site = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            port: free_port(),
        };
        fs::create_dir(site.manifests()).expect("a folder for manifests");
        for file in examples {
            let copied = fs::copy(Path::new(EXAMPLES).join(file), site.manifests().join(file));
            copied.unwrap_or_else(|error| panic!("{file}: {error}"));
        }
        site
    }

    /// The folder of manifests that it follows.
    pub fn manifests(&self) -> PathBuf {
        self.folder.path().join("manifests")
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where the process listens.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The host under which an airline answers.
    pub fn host(&self, airline: &str) -> String {
        format!("{airline}.localhost:{}", self.port)
    }

    /// Starts the process and waits until its airlines answer.
    ///
    /// # Panics
    /// When it ends instead.
    pub async fn up(&self) -> Process {
        let mut process = Process::start(self.command());
        self.answers(&mut process).await;
        process
    }

    /// Waits until the airlines answer, and until what was printed before has been read.
    ///
    /// # Panics
    /// When the process ends instead.
    pub async fn answers(&self, process: &mut Process) {
        // The listener is bound early and answered late: any answer means that everything is there.
        process.answers(&self.address(), 404).await;
        until("it says that it is ready", async || {
            process.stdout().contains("Ready in")
        })
        .await;
    }

    /// What starts the process.
    pub fn command(&self) -> Command {
        let listen = format!("127.0.0.1:{}", self.port);
        let mut command = albatross(&["up", "--listen", &listen]);
        command.arg("--file").arg(self.manifests());
        command.arg("--data").arg(self.data());
        command
    }

    /// Starts the process and waits until it ends by itself.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn refusal(&self) -> Ended {
        Process::start(self.command()).ended().await
    }

    /// The file of an airline's issued key.
    pub fn key_file(&self, airline: &str, key: &str) -> PathBuf {
        self.data().join(airline).join("keys").join(key)
    }

    /// A client with the key of the example.
    ///
    /// # Panics
    /// When it has not been issued.
    pub fn client(&self, airline: &str) -> Caller {
        let key = fs::read_to_string(self.key_file(airline, &format!("{airline}-acars")));
        let key = key.expect("the key was issued");
        Caller::with_key(&self.address(), &self.host(airline), key.trim())
    }

    /// `albatross verify` on an airline's log.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn verify(&self, airline: &str) -> Output {
        run(&["verify", "--database-url", &self.database_url(airline)])
    }

    pub fn database_url(&self, airline: &str) -> String {
        format!("sqlite:{}", self.data().join(airline).display())
    }
}
