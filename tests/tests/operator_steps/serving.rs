//! The real runtime as a process over a database, as a pod of the operator's starts it.

use albatross_tests::parts::{PEPPER, PUBLIC_URL, TENANT_ID, TENANT_KEY};
use albatross_tests::processes::{Process, albatross, free_port};
use albatross_tests::servers::Database;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The operator's.
pub const TOKEN: &str = "a token of the operator";

pub struct Serving {
    pub process: Process,
    /// URL of its internal port.
    pub internal: String,
    ready: String,
}

impl Serving {
    /// `more` is added to its environment.
    pub fn start(database: &Database, more: &[(&str, &str)]) -> Self {
        let [http, internal, probes] = [free_port(), free_port(), free_port()];
        let address = |port: u16| format!("127.0.0.1:{port}");
        let mut serve = albatross(&["serve"]);
        serve.envs(more.iter().copied()).envs([
            ("DATABASE_URL", database.url.clone()),
            ("ALBATROSS_TENANT", "skyways".to_owned()),
            ("ALBATROSS_TENANT_ID", TENANT_ID.to_string()),
            ("ALBATROSS_TENANT_KEY", BASE64_STANDARD.encode(TENANT_KEY)),
            ("ALBATROSS_PEPPER", BASE64_STANDARD.encode(PEPPER)),
            ("ALBATROSS_INTERNAL_TOKEN", TOKEN.to_owned()),
            ("ALBATROSS_PUBLIC_URL", PUBLIC_URL.to_owned()),
            ("ALBATROSS_LISTEN", address(http)),
            ("ALBATROSS_INTERNAL_LISTEN", address(internal)),
            ("ALBATROSS_PROBE_LISTEN", address(probes)),
        ]);
        Self {
            process: Process::start(serve),
            internal: format!("http://{}", address(internal)),
            ready: format!("http://{}/readyz", address(probes)),
        }
    }

    /// Returns once its readiness is answered by `status`.
    pub async fn answers_ready(&mut self, status: u16) {
        self.process.answers(&self.ready, status).await;
    }
}
