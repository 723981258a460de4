//! What was written to an API server, and by whom, by its own audit log.

use serde_json::Value;

use crate::api_server::ApiServer;

/// A request that was to change something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub user: String,
    /// Identity of the token that was shown; empty for other kinds of proof.
    pub credential: String,
    pub verb: String,
    /// Without its query.
    pub path: String,
    /// HTTP status of the answer.
    pub code: u64,
}

impl ApiServer {
    /// Every write so far, in the order of their answers.
    ///
    /// # Panics
    /// When there is no log.
    pub fn writes(&self) -> Vec<Write> {
        let log = std::fs::read_to_string(self.directory.join("audit.log")).expect("an audit log");
        let whole_lines = log.rsplit_once('\n').map_or("", |(lines, _)| lines);
        whole_lines.lines().map(read).collect()
    }
}

fn read(line: &str) -> Write {
    let event: Value = serde_json::from_str(line).expect("the log's lines are JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let user = &event["user"];
    let uri = text(&event["requestURI"]);
    Write {
        user: text(&user["username"]),
        credential: text(&user["extra"]["authentication.kubernetes.io/credential-id"][0]),
        verb: text(&event["verb"]),
        path: uri.split('?').next().unwrap_or_default().to_owned(),
        code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
    }
}
